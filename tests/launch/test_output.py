"""What a run prints is in its log.txt, and never fills the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selector.launch import output

PRINTS = """
import os, subprocess, sys
from pathlib import Path
from selector.launch import output
with output.logged(Path(sys.argv[1])):
    print("the first line", flush=True)
    for _ in range(24):
        os.write(1, b"x" * 1023 * 1024 + b"\\n")
    subprocess.run(["echo", "from a child"])
    print("the last line", file=sys.stderr)
print("elsewhere")
"""


def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-c", PRINTS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert made.stdout == "elsewhere\n"
    text = (tmp_path / "log.txt").read_text()
    assert len(text) < 3 << 20
    assert text.startswith("the first line\n")
    assert "selector dropped" in text
    assert text.endswith("from a child\nthe last line\n")


def test_whoever_goes_on_writing_writes_at_the_new_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "LONGEST", 100)
    monkeypatch.setattr(output, "_BEGINNING", 10)
    with output.open_end(tmp_path / "log.txt") as log, output.open_end(log_of(tmp_path)) as other:
        os.write(log.fileno(), b"0123456789" * 11)
        output.shorten(log.fileno())
        os.write(other.fileno(), b"after")
    text = log_of(tmp_path).read_text()
    marker = "\n[... selector dropped 90 bytes of output here ...]\n"
    assert text == "0123456789" + marker + "0123456789after"


def test_a_short_log_stays_as_it_is(tmp_path: Path) -> None:
    with output.logged(tmp_path):
        os.write(1, b"all there is\n")
    assert log_of(tmp_path).read_text() == "all there is\n"


def log_of(folder: Path) -> Path:
    return folder / "log.txt"
