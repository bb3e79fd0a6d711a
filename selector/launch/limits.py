"""What a run may take: watchdogs over time and silence, and a limit of memory.

The clock is monotonic, so a clock that is set back or forward changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from selector.config.schema import Launch
from selector.errors import LaunchError
from selector.launch.processes import members, resident
from selector.track.run import Outcome

_GIB = 2**30
#: Seconds between asking a worker's processes to end and killing them.
GRACE = 2.0
#: Seconds after which a kill that nobody has confirmed means that the forkserver hangs.
_UNHEARD = 5.0
#: Seconds in which a worker begins a run that was sent to it: a fork takes milliseconds.
_BEGIN = 120.0
#: A worker whose memory has grown by so much since its first run keeps what it should give back.
_LEAK = 1 * _GIB
#: A slow run does not hang: its silence may be so many times the longest that it came back from,
#: and, where it compiles its first step, the limit.
_SLOW = 3.0
_MEMORY_EVERY = 0.5  # seconds between looks at a worker's memory

#: What is due to a worker whose run is to end: nothing yet, SIGTERM, SIGKILL, and last the end of
#: the forkserver, which takes all workers with it: it has carried out neither.
Due = Literal["", "terminate", "kill", "give up"]


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

    def refuse_too_little(self, held: int) -> None:
        """Refuse a limit of memory below the bytes that a worker holds before its first run.

        Raises:
            LaunchError: every run would be ended.
        """
        if 0 < self.memory_gib <= (least := held / _GIB):
            raise LaunchError(
                f"launcher.memory_gib: expected more than {least:.2f} here, which a worker holds"
                f" before its first run, got {self.memory_gib:g}"
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
        self._begun = self._talks = self._spoke = False
        self._longest = 0.0
        self.step = 0
        """The last step that the run has reported."""
        self._first_memory = 0
        self.verdict: tuple[Outcome, str] | None = None
        """How the run ends, because of which limit; None while it keeps them."""
        self._asked = 0.0

    def begin(self, *, built_in: bool) -> None:
        """A run was sent to the worker.

        Our own trainer is heard of every second, or after each step that takes longer. A user's
        function may never say anything until its end: its silence counts from its first word.
        """
        self._began = self._heard = self._clock()
        self._begun, self._talks, self._spoke = False, built_in, False
        self._longest, self.step, self.verdict, self._asked = 0.0, 0, None, 0.0

    @property
    def ran(self) -> float:
        """Seconds since the run was sent."""
        return self._clock() - self._began

    def hear_start(self) -> None:
        """The worker has begun the run."""
        self._begun = True
        self._heard = self._clock()

    def hear(self, step: int | None = None) -> None:
        """The run has said something, perhaps that it is after `step` steps."""
        now = self._clock()
        if self._talks:
            self._longest = max(self._longest, now - self._heard)
        self._heard, self._talks, self._spoke = now, True, True
        if step is not None:
            self.step = step

    def look(self, process: int) -> None:
        """Judge the run that the worker `process` executes; 0: it is not known yet."""
        limits, now = self._limits, self._clock()
        ran, silent = self.ran, now - self._heard
        if self.verdict is not None:
            return
        if not self._begun and ran > _BEGIN:  # no fault of the run
            self.verdict = Outcome.LOST, f"was not begun within {_BEGIN:g} s"
        elif limits.run_seconds and ran > limits.run_seconds:
            self._judge(f"ran for {ran:.1f} s", "run_seconds", limits.run_seconds)
        elif limits.silent_seconds and self._talks and silent > self._patience:
            self._judge(f"said nothing for {silent:.1f} s", "silent_seconds", limits.silent_seconds)
        elif limits.memory_gib and process and now - self._looked > _MEMORY_EVERY:
            self._looked = now
            used = sum(map(resident, members(process))) / _GIB
            if used > limits.memory_gib:
                self.verdict = (
                    Outcome.OUT_OF_MEMORY,
                    f"held {used:.2f} GiB of memory, more than launcher.memory_gib="
                    f"{limits.memory_gib:g} allows; the last step seen was {self.step}",
                )

    @property
    def _patience(self) -> float:
        limit = self._limits.silent_seconds
        return max(limit, _SLOW * self._longest) if self._spoke else _SLOW * limit

    @property
    def due(self) -> Due:
        """What is due to the worker now; `terminate` once."""
        if self.verdict is None:
            return ""
        now = self._clock()
        if not self._asked:
            self._asked = now
            return "terminate"
        waited = now - self._asked
        return "" if waited <= GRACE else "kill" if waited <= GRACE + _UNHEARD else "give up"

    def leaks(self, process: int) -> bool:
        """Whether the worker, between two runs, holds much more than after its first one."""
        held = resident(process)
        self._first_memory = self._first_memory or held
        return held > self._first_memory + _LEAK

    def _judge(self, what: str, key: str, limit: float) -> None:
        text = f"{what}, more than launcher.{key}={limit:g} allows; the last step seen was"
        self.verdict = Outcome.TIMEOUT, f"{text} {self.step}"
