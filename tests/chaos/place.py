"""A folder with a study in it, run as a person would: in a process of its own, or in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.checker import living

ROOT = Path(__file__).parent.parent.parent
FAULTS = ROOT / "tests" / "chaos" / "faults"


@dataclass
class Place:
    """Where a study is run, killed, and run again.

    Attributes:
        folder: Current folder of the command.
        command: What to give to `selector`.
        name: Name of the study.
    """

    folder: Path
    command: tuple[str, ...]
    name: str
    mark: str = field(default_factory=lambda: f"SELECTOR_CHAOS={uuid.uuid4().hex}")
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def study(self) -> Path:
        """The study's folder."""
        return self.folder / "runs" / self.name

    @property
    def recommendation(self) -> Path:
        """What it ended with."""
        return self.folder / "reports" / self.name / "recommendation.json"

    def start(self, faults: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the command; all its processes carry this place's mark in their environment."""
        variable, _, value = self.mark.partition("=")
        paths = [str(FAULTS), str(ROOT)] if faults else [str(ROOT)]
        with (self.folder / "output.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "selector.cli", *self.command],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(paths),
                    variable: value,
                    **(faults or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.processes.append(process)
        return process

    def run(self, faults: Mapping[str, str] | None = None, seconds: float = 120) -> tuple[int, str]:
        """The command from start to end: its exit code and what it printed."""
        code = self.start(faults).wait(seconds)
        return code, self.output()

    def output(self) -> str:
        """What the latest command has printed."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def below(self) -> dict[str, list[int]]:
        """Living processes by what they are: controller, forkserver, worker."""
        servers, found = [], {"controller": [], "forkserver": [], "worker": []}
        everything = living(self.mark)
        for process, command in everything:
            if "selector.launch.forkserver" not in command:
                found["controller"].append(process)
            else:
                servers.append(process)
        for process in servers:
            with suppress(OSError):
                stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                found["worker" if int(stat[1]) in servers else "forkserver"].append(process)
        return found

    def close(self) -> None:
        """End what a failed test has left."""
        for process, _ in living(self.mark):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for process in self.processes:
            process.wait(10)
