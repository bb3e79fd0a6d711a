"""The command line as people use it, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from selector.cli import main

ROOT = Path(__file__).parent.parent.parent
#: A study of a function that takes milliseconds; its file lies outside the checkout.
STUDY = """\
defaults: [selector_study, override objective: mine, override tracker: none, _self_]
name: mine
question: Is a or b better?
compare: {objective.parameters.kind: [a, b]}
set: {budget.tokens: 100, budget.trials: 3, budget.replicates: 2, budget.verdict_seeds: 2}
"""
OBJECTIVE = """\
defaults: [function, _self_]
name: mine
function: "mine:train"
parameters: {kind: a, x: 0.5, seconds: 0.0}
space: {parameters.x: {low: 0.0, high: 1.0}}
"""
FUNCTION = """\
import time

def train(config, run):
    settings = config.objective.parameters
    for step in range(1, 4):
        time.sleep(settings["seconds"] / 3)
        run.report(step, loss=(settings["x"] - 0.5) ** 2 + (settings["kind"] == "b")
                   + 1e-4 * (run.seed * 7919 % 13) + 1.0 / step)
"""


@dataclass
class Workplace:
    """A folder with a study of one's own, and the command line in it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "selector.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, code: int = 0) -> str:
        """A command from start to end, in this process: the imports are paid for once."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            found = main(arguments)
        captured = self.capsys.readouterr()
        assert found == code, f"{arguments}: {found}\n{captured.out}\n{captured.err}"
        return captured.out if code == 0 else captured.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def finished(self, name: str = "mine") -> int:
        return len(list((self.folder / "runs" / name).glob("trials/*/runs/*/result.json")))

    def wait_for(self, finished: int, name: str = "mine") -> None:
        deadline = time.monotonic() + 60
        while self.finished(name) < finished:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def workplace(tmp_path, capsys):
    folder = tmp_path / "work place"
    (folder / "objective").mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY)
    (folder / "objective" / "mine.yaml").write_text(OBJECTIVE)
    (folder / "mine.py").write_text(FUNCTION)
    place = Workplace(folder, capsys)
    yield place
    for process in place.started:  # a failed test leaves no process to disturb the next
        if process.poll() is None:
            process.kill()
        if not process.stdout.closed:
            process.communicate()


def descendants(pid: int) -> list[int]:
    """Process ids of all living processes below `pid`."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, as power loss or an impatient person would."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
