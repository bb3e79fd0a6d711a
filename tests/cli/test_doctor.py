"""`selector doctor`: aligned for people, one object for programs, 1 where something is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selector.cli import main


def test_a_fit_machine_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--runs", str(tmp_path / "runs")]) == 0
    shown = capsys.readouterr().out
    assert "Everything a study needs works" in shown
    columns = {line.index(" ok ") for line in shown.splitlines() if " ok " in line}
    assert len(columns) == 1, "the marks stand under each other"
    assert not (tmp_path / "runs").exists()


def test_programs_get_one_object_and_a_broken_place_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["doctor", "--json", "--runs", str(tmp_path / "file" / "runs")]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["healthy"] is False
    (wrong,) = [item for item in found["findings"] if item["state"] == "broken"]
    assert wrong["group"] == "runs folder"
    assert wrong["remedy"] == "choose another folder with --runs DIR"


def test_a_broken_machine_is_told_to_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "[bold]").write_text("")
    assert main(["doctor", "--runs", str(tmp_path / "[bold]" / "runs")]) == 1
    shown = capsys.readouterr().out
    assert "1 thing that every study needs is broken" in shown
    assert "[bold]" in shown, "a path is no markup"
