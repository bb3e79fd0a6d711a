"""Stopped at any moment, however: nothing lost, nothing repeated, nothing orphaned."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from selector.launch import orphans
from tests.cli.conftest import alive, descendants, kill

SLOW = "objective.parameters.seconds=0.15"


def outcome(workplace):
    """What a study ended with, without times."""
    rows = {}
    for path in (workplace.folder / "runs" / "mine").glob("trials/*/runs/*/result.json"):
        mapping = json.loads(path.read_text())
        rows[str(path.parent.relative_to(workplace.folder))] = (
            mapping["outcome"], mapping["value"], mapping.get("told"),
            (path.parent / "metrics.jsonl").read_text(),
        )  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR2, 140, marks=pytest.mark.slow),
    ],
    ids=["ctrl-c", "term", "closed-terminal", "slurm"],
)
def test_a_signal_ends_cleanly_and_the_study_goes_on(workplace, number, code):
    process = workplace.start("run", "./study.yaml", SLOW)
    workplace.wait_for(3)
    workers = descendants(process.pid)
    assert workers
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "everything finished is stored" in err
    assert "selector run" in err
    assert not any(alive(pid) for pid in workers)
    before = outcome(workplace)
    note = workplace.folder / "runs" / "mine" / orphans.FILE
    assert not note.exists()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as orphan:
        orphans.note(note, [orphan.pid], "no mark")
        workplace.run("run", "./study.yaml", SLOW)
        assert orphan.wait() == -signal.SIGKILL
    assert not note.exists()
    after = outcome(workplace)
    assert len(after) == 20
    assert {key: after[key] for key in before} == before


@pytest.mark.slow
def test_kill_9_of_the_controller_loses_and_repeats_nothing(workplace):
    for goal in (5, 11):
        process = workplace.start("run", "./study.yaml", SLOW)
        workplace.wait_for(goal)
        workers = descendants(process.pid)
        kill(process)
        assert workplace.finished() < 20, "killed too late to show anything"
        time.sleep(1.0)
        assert not any(alive(pid) for pid in workers), "a worker outlived its controller"
    workplace.run("run", "./study.yaml", SLOW)
    killed = outcome(workplace)
    numbers = sorted(
        int(path.name[:5]) for path in (workplace.folder / "runs/mine/trials").iterdir()
    )
    assert numbers == list(range(1, 13))
    assert len(killed) == 20
    assert {row[0] for row in killed.values()} == {"complete"}
    assert not list((workplace.folder / "runs").rglob("*.tmp"))

    shutil.rmtree(workplace.folder / "runs")
    workplace.run("run", "./study.yaml", SLOW, "launcher.workers=1")
    assert outcome(workplace) == killed


def test_a_second_controller_is_refused(workplace):
    long = "objective.parameters.seconds=30"
    process = workplace.start("run", "./study.yaml", long)
    deadline = time.monotonic() + 30
    while not (workplace.folder / "runs/mine/study.yaml").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    text = workplace.run("run", "./study.yaml", long, code=2)
    assert f"being run by process {process.pid} on" in text
    assert process.poll() is None


@pytest.mark.slow
def test_a_worker_killed_in_mid_run_costs_one_attempt(workplace):
    process = workplace.start("run", "./study.yaml", SLOW)
    workplace.wait_for(2)
    leaves = [pid for pid in descendants(process.pid) if not descendants(pid)]
    for pid in leaves:
        kill_pid(pid)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert {row[0] for row in outcome(workplace).values()} == {"complete"}
    assert len(outcome(workplace)) == 20


def kill_pid(pid):
    os.kill(pid, signal.SIGKILL)
