"""What an earlier controller could not end is ended by the next one, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selector.launch import orphans
from selector.launch.local import LocalLauncher
from tests.contracts.launcher import drain
from tests.launch.examples import function_run
from tests.launch.test_local import alive, wait_for


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def test_an_orphan_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / orphans.FILE
    orphans.note(path, [sleeper.pid])
    assert orphans.reap(path) == 1
    wait_for(lambda: not alive(sleeper.pid))
    assert not path.exists()
    assert orphans.reap(path) == 0


@pytest.mark.parametrize("part", ["start", "boot"])
def test_another_process_with_its_id_lives_on(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], part: str
) -> None:
    path = tmp_path / orphans.FILE
    orphans.note(path, [sleeper.pid])
    content = json.loads(path.read_text())
    (content["processes"][0] if part == "start" else content)[part] = "1"
    path.write_text(json.dumps(content))
    assert orphans.reap(path) == 0
    assert alive(sleeper.pid)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', "\0" * 99])
def test_a_damaged_note_holds_nobody_up(tmp_path: Path, text: str) -> None:
    path = tmp_path / orphans.FILE
    path.write_text(text)
    assert orphans.reap(path) == 0
    assert not path.exists()


def test_a_launcher_notes_its_processes_while_it_has_them(tmp_path: Path) -> None:
    path = tmp_path / orphans.FILE
    with LocalLauncher(1, processes=path) as launcher:
        launcher.submit(function_run("one", "learns"))
        drain(launcher, {"one"})
        wait_for(path.exists)
        noted = [row["process"] for row in json.loads(path.read_text())["processes"]]
        assert len(noted) == 2
        assert all(alive(process) for process in noted)
    assert not path.exists()
