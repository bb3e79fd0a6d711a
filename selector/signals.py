"""The first Ctrl-C, SIGTERM or SIGHUP asks for a clean end, the second one ends at once.

SIGHUP is what a terminal that is closed sends; under `nohup` it is ignored, and stays so.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class StopSignals:
    """While it is entered, remembers the signal that asked the program to end.

    Outside the main thread Python delivers no signals: there it remembers nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        """The signal that came; 0: none."""
        self._before: dict[int, Any] = {}

    def came(self) -> bool:
        """Whether a signal has asked for the end."""
        return self.number != 0

    def __enter__(self) -> Self:
        """Take over SIGINT, SIGTERM and SIGHUP."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            raise KeyboardInterrupt
        self.number = number
