"""Training that is killed goes on from its last state and ends as it would have."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selector.track.checkpoints import whole_checkpoints

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TRAIN = (
    *("train", "model=pico", "tracker=none", "compute.device=cpu", "budget.tokens=3e5"),
    *("launcher.checkpoint_seconds=0.3", "objective.evaluations=4"),
)
TIMED = ("tokens_per_second", "model_flop_utilization")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "selector.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_state(runs: Path) -> Path:
    """The first run that has left two states."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for path in runs.glob("**/checkpoint"):
            if len(whole_checkpoints(path.parent)) >= 2:
                return path.parent
        time.sleep(0.05)
    raise AssertionError("no state was left")


def curve(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in row if name not in TIMED} for row in rows]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_selector_train_goes_on_where_it_was(tmp_path: Path, number: signal.Signals) -> None:
    cut = start(tmp_path, *TRAIN)
    folder = wait_for_state(tmp_path / "runs")
    cut.send_signal(number)
    _, err = cut.communicate(timeout=30)
    if number == signal.SIGINT:
        assert cut.returncode == 130
        assert "goes on after step" in err
    again = start(tmp_path, *TRAIN, "--json")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    result = json.loads((folder / "result.json").read_text())
    assert json.loads(out)["folder"] == str(folder)
    assert result["facts"]["resumed_after_step"] > 0
    assert not whole_checkpoints(folder)

    whole = start(tmp_path, *TRAIN[:-2], TRAIN[-1], "launcher.checkpoint_seconds=0", "--json")
    out, err = whole.communicate(timeout=120)
    assert whole.returncode == 0, err
    other = Path(json.loads(out)["folder"])
    assert other != folder
    assert curve(folder) == curve(other)
    weights = [path / "checkpoint" / "weights.safetensors" for path in (folder, other)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_killed_worker_s_run_goes_on_in_another_one(tmp_path: Path) -> None:
    study = [
        *("run", "quickstart", "budget=smoke", "name=mine", "tracker=none", "launcher.workers=1"),
        *("budget.tokens=3e5", "launcher.checkpoint_seconds=0.3", "compute.device=cpu"),
    ]
    process = start(tmp_path, *study)
    folder = wait_for_state(tmp_path / "runs" / "mine")
    noted = json.loads((tmp_path / "runs" / "mine" / "processes.json").read_text())
    os.kill(noted["processes"][-1]["process"], signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    result = json.loads((folder / "result.json").read_text())
    assert result["outcome"] == "complete"
    assert result["facts"]["resumed_after_step"] > 0
    assert not list((tmp_path / "runs").glob("**/step-*"))
