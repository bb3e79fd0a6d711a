"""A tracker whose every call returns at once; one thread of its own delivers, and may fail."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from selector.config.secrets import redacted
from selector.track.outbox import Attach, Begin, End, Message, Metrics, Outbox, Point
from selector.track.run import Result, Run
from selector.track.tracker import Origin, Tracker

#: How often one message is tried: a lock or a restarting server is over by then, and a message
#: that the store refuses does not hold up the others for long.
_TRIES = 3
#: Seconds until the second try; doubled by every failure in a row, up to the longest pause.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 60.0
#: Seconds between tries once somebody waits for the end.
_PAUSE_AT_THE_END = 0.1


class Mirror(ABC):
    """A store of runs that people browse, driven by one thread.

    Every method may raise and may take long, and may be told the same thing again.
    """

    @abstractmethod
    def begin(self, message: Begin) -> None:
        """Show a run, or continue it."""

    @abstractmethod
    def log(self, message: Metrics) -> None:
        """Add values to a run."""

    @abstractmethod
    def end(self, message: End) -> None:
        """Show how a run ended."""

    @abstractmethod
    def attach(self, message: Attach) -> None:
        """Store files of a study."""

    @abstractmethod
    def finish(self) -> None:
        """Leave nothing behind that looks as if it were still running."""

    def leave(self) -> None:  # noqa: B027 - optional
        """Undo what concerns this thread; must not raise."""


class BackgroundTracker(Tracker):
    """Delivers to a mirror from a daemon thread, with pauses that grow while it keeps failing.

    Nothing waits for the mirror but `close`. What could not be delivered is counted, not kept:
    the trial folders hold it.

    Args:
        mirror: the store; called from the background thread only.
        place: the mirror's name for people.
        most_points: how many metric values may wait; the oldest are dropped beyond.
    """

    def __init__(self, mirror: Mirror, place: str, *, most_points: int = 100_000) -> None:
        self._mirror = mirror
        self._place = place
        self._outbox = Outbox(most_points)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._abandoned = False
        self._failures = 0
        self._failures_in_a_row = 0
        self._failures_at_the_end = 0  # in a row, since `close`
        self._first_error = ""
        self._left_out = 0

    def started(self, run: Run, origin: Origin) -> None:
        """Queue the start."""
        self._put(Begin(run=run, origin=origin, milliseconds=_now()))

    def reported(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Queue the values."""
        now = _now()
        self._outbox.add(key, [Point(name, value, step, now) for name, value in metrics.items()])

    def ended(self, key: str, result: Result) -> None:
        """Queue the end."""
        self._put(End(key=key, result=result, milliseconds=_now()))

    def artifacts(self, study: str, paths: Sequence[Path]) -> None:
        """Queue the files; they are read when they are delivered."""
        self._put(Attach(study=study, paths=tuple(paths)))

    def close(self, seconds: float = 30.0) -> str:
        """Deliver what waits, for at most `seconds`; one sentence where the mirror lacks something.

        What is told afterwards is ignored.
        """
        self._outbox.close()
        self._closing.set()
        if self._thread is not None:
            self._thread.join(seconds)
            self._abandoned = self._thread.is_alive()
        return self._sentence()

    def _put(self, message: Begin | End | Attach) -> None:
        self._outbox.put(message)
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._deliver, name="mirror", daemon=True)
            self._thread.start()

    def _deliver(self) -> None:
        """The background thread: one message after the other, then the end."""
        while (message := self._outbox.take()) is not None:
            if not self._attempt(partial(self._tell, message)):
                self._left_out += 1
        self._attempt(self._mirror.finish)
        self._mirror.leave()

    def _tell(self, message: Message) -> None:
        match message:
            case Begin():
                self._mirror.begin(message)
            case Metrics():
                self._mirror.log(message)
            case End():
                self._mirror.end(message)
            case Attach():
                self._mirror.attach(message)

    def _attempt(self, call: Callable[[], None]) -> bool:
        """Whether `call` went well in one of its tries."""
        for _ in range(_TRIES):
            if self._abandoned or self._failures_at_the_end >= _TRIES:
                return False
            try:
                call()
            except Exception as error:  # noqa: BLE001 - whatever it is, training must not notice
                self._failures += 1
                self._failures_in_a_row += 1
                self._first_error = self._first_error or _in_a_line(error)
                self._pause()
            else:
                self._failures_in_a_row = self._failures_at_the_end = 0
                return True
        return False

    def _pause(self) -> None:
        if self._closing.is_set():
            self._failures_at_the_end += 1
            time.sleep(_PAUSE_AT_THE_END)
            return
        doublings = min(self._failures_in_a_row - 1, 20)  # far beyond the longest pause
        self._closing.wait(min(_FIRST_PAUSE * 2**doublings, _LONGEST_PAUSE))

    def _sentence(self) -> str:
        undelivered = self._left_out + (len(self._outbox) + 1 if self._abandoned else 0)
        complete = not undelivered and not self._outbox.dropped
        if complete and not self._failures_in_a_row:
            return ""
        gaps = [f"{undelivered} messages were not delivered"] if undelivered else []
        if self._outbox.dropped:
            gaps.append(f"{self._outbox.dropped} metric values were dropped")
        if self._failures:
            gaps.append(f"{self._failures} calls failed (the first: {self._first_error})")
        return (
            f"{self._place} lacks part of this session: {', '.join(gaps)};"
            " the trial folders hold everything."
        )


def _now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _in_a_line(error: Exception) -> str:
    """The error's first line, without a password that stood in an address."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redacted(lines[0])[:300]
