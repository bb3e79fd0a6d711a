"""What a run may take: watchdogs over time and silence, and a limit of memory.

The clock is monotonic, so a clock that is set back or forward changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from selector.config.schema import Launch
from selector.track.run import Outcome

_GIB = 2**30
#: Seconds between asking a worker's processes to end and killing them.
GRACE = 2.0
#: A worker whose memory has grown by so much since its first run keeps what it should give back.
_LEAK = 1 * _GIB
_MEMORY_EVERY = 0.5  # seconds between looks at a worker's memory


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of each run; 0: none. See `selector.config.schema.Launch`."""

    run_seconds: float = 0.0
    silent_seconds: float = 0.0
    memory_gib: float = 0.0

    @classmethod
    def of(cls, launch: Launch) -> Limits:
        """Those of a configuration."""
        return cls(
            run_seconds=launch.run_seconds,
            silent_seconds=launch.silent_seconds,
            memory_gib=launch.memory_gib,
        )


class Watchdog:
    """Watches one worker: how long its run takes, how long it is silent, what memory it holds.

    Args:
        limits: of each run.
        clock: seconds, monotonic.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._began = self._heard = self._looked = clock()
        self._talks = False
        self.step = 0
        """The last step that the run has reported."""
        self._first_memory = 0
        self.verdict: tuple[Outcome, str] | None = None
        """How the run ends, because of which limit; None while it keeps them."""
        self._asked = 0.0

    def begin(self, *, built_in: bool) -> None:
        """A run was sent to the worker.

        Our own trainer is heard of twice a second. A user's function may never say anything until
        its end: its silence counts from its first word.
        """
        self._began = self._heard = self._clock()
        self._talks, self.step, self.verdict = built_in, 0, None
        self._asked = 0.0

    @property
    def ran(self) -> float:
        """Seconds since the run was sent."""
        return self._clock() - self._began

    def hear(self, step: int | None = None) -> None:
        """The run has said something, perhaps that it is after `step` steps."""
        self._heard = self._clock()
        self._talks = True
        if step is not None:
            self.step = step

    def look(self, process: int) -> None:
        """Judge the run that the worker `process` executes."""
        limits, now = self._limits, self._clock()
        ran, silent = self.ran, now - self._heard
        if self.verdict is not None:
            return
        if limits.run_seconds and ran > limits.run_seconds:
            self._judge(f"ran for {ran:.1f} s", "run_seconds", limits.run_seconds)
        elif limits.silent_seconds and self._talks and silent > limits.silent_seconds:
            self._judge(f"said nothing for {silent:.1f} s", "silent_seconds", limits.silent_seconds)
        elif limits.memory_gib and now - self._looked > _MEMORY_EVERY:
            self._looked = now
            used = memory(process) / _GIB
            if used > limits.memory_gib:
                self.verdict = (
                    Outcome.OUT_OF_MEMORY,
                    f"held {used:.2f} GiB of memory, more than launcher.memory_gib="
                    f"{limits.memory_gib:g} allows; the last step seen was {self.step}",
                )

    @property
    def signal_due(self) -> str:
        """`terminate` once the run is to end, `kill` when it has not done so; '' otherwise."""
        if self.verdict is None:
            return ""
        now = self._clock()
        if not self._asked:
            self._asked = now
            return "terminate"
        return "kill" if now - self._asked > GRACE else ""

    def leaks(self, process: int) -> bool:
        """Whether the worker, between two runs, holds much more than after its first one."""
        held = memory(process)
        self._first_memory = self._first_memory or held
        return held > self._first_memory + _LEAK

    def _judge(self, what: str, key: str, limit: float) -> None:
        text = f"{what}, more than launcher.{key}={limit:g} allows; the last step seen was"
        self.verdict = Outcome.TIMEOUT, f"{text} {self.step}"


def memory(process: int) -> int:
    """Resident bytes of a process and all that it has started; 0 where it is gone."""
    total = 0
    with suppress(psutil.Error):
        whole = psutil.Process(process)
        for one in (whole, *whole.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def memory_kills() -> int:
    """Processes that the kernel has killed for memory in this control group (cgroup v2, Linux).

    Where the kernel does not tell, always 0: a worker it killed then counts as lost.
    """
    with suppress(OSError, ValueError, IndexError):
        group = Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].split("::")[1]
        events = Path(f"/sys/fs/cgroup{group}/memory.events").read_text()
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])
    return 0
