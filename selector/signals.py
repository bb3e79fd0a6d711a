"""The first signal that ends programs asks for a clean end, the second one ends at once.

They are Ctrl-C (SIGINT), SIGTERM, SIGHUP, which a terminal that is closed sends, and SIGUSR1 and
SIGUSR2, which batch systems send some time before theirs is over (Slurm's `--signal`). What is
ignored stays so: SIGHUP under `nohup`. A terminal that was closed cannot be written to: what is
shown from then on goes nowhere, so that the end is clean.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_OUTPUTS = (1, 2)
_MAY_BE_IGNORED = frozenset(_SIGNALS[2:])


class StopSignals:
    """While it is entered, remembers the signal that asked the program to end.

    Outside the main thread Python delivers no signals: there it remembers nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        """The signal that came; 0: none."""
        self._before: dict[int, Any] = {}
        self._terminals: list[int] = []

    def came(self) -> bool:
        """Whether a signal has asked for the end."""
        return self.number != 0

    def __enter__(self) -> Self:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if number in _MAY_BE_IGNORED and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._note)
            self._terminals = [output for output in _OUTPUTS if os.isatty(output)]
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
        for output in self._terminals:
            if not os.isatty(output):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, output)
                os.close(nowhere)
        if self.number:
            raise KeyboardInterrupt
        self.number = number
