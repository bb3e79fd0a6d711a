"""Stepping in by hand, on the command line: a study that runs, and one that does not."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import ROOT

#: x below 0.5 takes a moment; x above is held until somebody asks it to stop.
HELD = """\
import time

import pytest

def train(config, run):
    settings = config.objective.parameters
    deadline = time.monotonic() + (30 if settings["x"] > 0.5 and not run.seed % 1000 else 0.05)
    while time.monotonic() < deadline:
        time.sleep(0.02)
        if run.should_stop():
            return
    run.report(1, loss=settings["x"] + run.seed % 7 / 100)
"""


def trial_files(workplace):
    return sorted((workplace.folder / "runs" / "mine" / "trials").glob("*/trial.yaml"))


def held(workplace):
    """The trials whose run goes on."""
    numbers = []
    for path in trial_files(workplace):
        runs = list((path.parent / "runs").glob("explore-*"))
        if runs and not (runs[0] / "result.json").exists():
            numbers.append(int(path.parent.name[:5]))
    return numbers


def until(true):
    deadline = time.monotonic() + 30
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def held_for_a_while(workplace):
    """Two trials that go on, and are not just about to end."""
    before = held(workplace)
    time.sleep(0.4)
    return before if before == held(workplace) and len(before) == 2 else None


@pytest.mark.slow
def test_a_running_study_is_stepped_into_and_ended(workplace):
    (workplace.folder / "mine.py").write_text(HELD)
    process = workplace.start("run", "./study.yaml", "launcher.workers=2", "seed=0")
    first, second = until(lambda: held_for_a_while(workplace))
    said = workplace.run("stop", "mine", "--trial", str(first))
    assert f"trial {first}: explore-s" in said
    paused = workplace.json("stop", "mine", "--trial", str(second), "--pause")
    assert paused["accepted"]
    assert "selector resume mine" in paused["text"]
    until(lambda: second in held(workplace) and first not in held(workplace))
    text = workplace.run("stop", "mine", "--trial", "99", code=2)
    assert "there is no trial 99" in text
    status = workplace.json("status", "mine")
    assert status["stopped"] == [first]
    assert status["paused"] == [second]

    assert "selector run mine" in workplace.run("stop", "mine")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "everything finished is stored" in err
    assert "nothing to end" in workplace.run("stop", "mine", code=2)

    added = workplace.run(
        "add", "mine", "objective.parameters.kind=b", "objective.parameters.x=0.1"
    )
    assert "the next trial of sub-search" in added
    assert f"trial {second}: goes on" in workplace.run("resume", "mine", "--trial", str(second))
    assert not list((workplace.folder / "runs" / "mine" / "requests").iterdir())
    (workplace.folder / "mine.py").write_text(HELD.replace("30 if", "0.05 if"))
    workplace.run("run", "mine", "launcher.workers=2")
    status = workplace.json("status", "mine")
    assert (status["state"], status["given"], status["paused"]) == (
        "complete",
        [status["given"][0]],
        [],
    )
    report = json.loads((workplace.folder / "reports/mine/recommendation.json").read_text())
    assert any("by hand" in text for text in report["caveats"])
    assert "given" in (workplace.folder / "reports/mine/trials.csv").read_text().splitlines()[0]


def test_a_bug_stops_the_study_and_status_says_where(workplace):
    (workplace.folder / "mine.py").write_text(
        "def train(config, run):\n    raise KeyError(run.seed)\n"
    )
    text = workplace.run("run", "./study.yaml", code=1)
    assert "3 runs crashed with the same error at" in text
    assert "mine.py:2" in text
    assert "mine.py:2" in workplace.run("status", "mine")
    assert "mine.py:2" in workplace.json("status", "mine")["ended"]


MISTAKES = [
    (["add", "mine", "objective.parameters.kind=c"], "expected arm=NAME, one of"),
    (["add", "mine", "x", "y=1", "y=2"], "'x': expected KEY=VALUE"),
    (["stop", "mine", "--pause"], "--trial N"),
    (["resume", "mine", "--trial", "1"], "trial 1 is not paused"),
    (["stop", "other"], "unknown study 'other'"),
]


def test_mistakes_are_answered_and_nothing_heavy_is_loaded(workplace):
    workplace.run("run", "./study.yaml", "budget=smoke", "launcher=inline")
    for arguments, said in MISTAKES:
        assert said in workplace.run(*arguments, code=2)
    script = (
        "import sys; from selector.cli import main; main(['add', 'mine', 'arm=kind=a']);"
        "print(sorted({'torch', 'optuna', 'mlflow', 'hydra'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=workplace.folder, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
