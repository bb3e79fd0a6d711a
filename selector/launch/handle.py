"""What the controller knows of one worker process, and how it died."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any

from selector.launch.limits import Due, Limits, Watchdog
from selector.launch.messages import Channel, plain_run
from selector.launch.processes import memory_kills
from selector.track.run import Outcome, Run


class Worker:
    """A worker process: the device it has, the run it executes, the limits it keeps."""

    def __init__(self, number: int, device: str, channel: Channel, limits: Limits) -> None:
        self.number = number
        self.device = device
        self.channel = channel
        self.watchdog = Watchdog(limits)
        self.run: Run | None = None
        self.waits = False
        """Whether its run has not been sent to it yet: the device is too hot."""
        self.process = 0
        self._memory_kills = 0

    @property
    def usable(self) -> bool:
        """Whether it can take a run."""
        return self.run is None and not self.channel.ended

    @property
    def name(self) -> str:
        """For people."""
        return f"worker {self.number} (process {self.process or 'unknown'}, {self.device})"

    def begin(self) -> None:
        """Send it its run, and watch it from now on."""
        assert self.run is not None
        self.waits = False
        self._memory_kills = memory_kills()
        self.watchdog.begin(built_in=self.run.config.built_in)
        self.send({"run": plain_run(self.run)})

    def look(self) -> Due:
        """Watch its run: what is due to its processes now."""
        if self.run is None or self.waits:
            return ""
        self.watchdog.look(self.process)
        return self.watchdog.due

    def send(self, message: dict[str, Any]) -> None:
        """Send; where it is dead, the forkserver tells so in a moment."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(message)

    def death(self, code: int | None) -> tuple[Outcome, str]:
        """What its end means for its run, and what happened in words.

        A worker has one run, so the run is to blame; where a worker had several, none of them
        would be, and all would be lost. Killed by nobody known, a run counts as lost and is tried
        again, unless the kernel says that it has killed for memory meanwhile.

        Args:
            code: Its exit code, negative for a signal; None: it ended with the forkserver.
        """
        if self.watchdog.verdict is not None:
            outcome, text = self.watchdog.verdict
            return outcome, f"the run {text}; {self.name} was ended"
        if code is None:
            return Outcome.LOST, f"{self.name} ended: the process that starts workers died"
        if code == -signal.SIGKILL and memory_kills() > self._memory_kills:
            return Outcome.OUT_OF_MEMORY, f"{self.name} was killed by the system: out of memory"
        return Outcome.LOST, f"{self.name} {how(code)}"


def how(code: int) -> str:
    """How a process with this exit code ended."""
    if code >= 0:
        return f"exited with code {code} in the middle of its work"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = " (often the system's answer to too little memory)" if name == "SIGKILL" else ""
    return f"was killed by signal {-code}, {name}{hint}"
