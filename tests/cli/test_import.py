"""`selector import`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selector.cli import main

CSV = "rate,loss\n0.001,3.5\n0.01,3.4\n0.1,\n"


def ask(folder: Path, *arguments: str) -> int:
    return main(["import", *arguments, "--runs", str(folder / "runs")])


def test_a_file_is_stored_as_a_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "runs.csv").write_text(CSV)
    given = [str(tmp_path / "runs.csv"), "--metric", "loss", "--map", "rate=optimizer.lr"]
    assert ask(tmp_path, "old", *given, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "old",
        "source": given[0],
        "metric": "loss",
        "observations": 2,
        "diverged": 0,
        "skipped": {"it has no loss": 1},
        "keys": ["optimizer.lr"],
        "file": str(tmp_path / "runs" / "old" / "observations.json"),
    }
    assert ask(tmp_path, "old", *given) == 2
    assert "is there already" in capsys.readouterr().err
    assert ask(tmp_path, "new", *given) == 0
    out = capsys.readouterr().out
    assert "2 observations of optimizer.lr" in out
    assert "selector run STUDY --from new" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["old", "runs.csv"], "--metric: expected the name"),
        (["old", "no.csv", "--metric", "loss"], "no.csv: cannot be read"),
        (["../old", "runs.csv", "--metric", "loss"], "name: expected letters"),
        (["old", "runs.csv", "--metric", "loss", "--map", "rate"], "expected COLUMN=KEY"),
        (
            ["old", "runs.csv", "--metric", "loss", "--map", "a=data", "--map", "a=model"],
            "a is given more than once",
        ),
        (["old", "x.db", "--optuna-study", "a", "--metric", "b"], "--metric: has no effect"),
        (["old", "x.db", "--optuna-study", "a", "--experiment", "b"], "expected one of them"),
        (["old", "sqlite:///x.db", "--experiment", "a", "--metric", "b"], "no such file as x.db"),
    ],
)
def test_mistakes_end_with_two_and_a_line(
    tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert ask(tmp_path, *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
