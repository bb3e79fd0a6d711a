"""What waits to be mirrored: in order for each run, its metrics merged, bounded in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from selector.track.run import Result, Run
from selector.track.tracker import Origin


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    value: float
    step: int
    milliseconds: int
    """When it was reported, since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Begin:
    """A run has begun."""

    run: Run
    origin: Origin
    milliseconds: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Values that one run reported, oldest first."""

    key: str
    points: deque[Point] = field(default_factory=deque)


@dataclass(frozen=True, kw_only=True)
class End:
    """A run is over."""

    key: str
    result: Result
    milliseconds: int


@dataclass(frozen=True, kw_only=True)
class Attach:
    """Files of a whole study."""

    study: str
    paths: tuple[Path, ...]


Message = Begin | Metrics | End | Attach


class Outbox:
    """A queue between the threads that tell and the one that delivers.

    Values that a run reports while its earlier ones still wait join them in one message. Beyond
    `most_points` waiting values the oldest are dropped and counted in `dropped`; other messages
    are as few as there are runs and are always kept.
    """

    def __init__(self, most_points: int) -> None:
        self.dropped = 0
        self._most_points = most_points
        self._points = 0
        self._messages: deque[Message] = deque()
        self._metrics: deque[Metrics] = deque()  # those among the messages, in the same order
        self._growing: dict[str, Metrics] = {}  # by run: the message that its values still join
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many messages wait."""
        with self._changed:
            return len(self._messages)

    def put(self, message: Begin | End | Attach) -> None:
        """Add a message; ignored after `close`."""
        with self._changed:
            if self._closed:
                return
            if isinstance(message, End):
                self._growing.pop(message.key, None)
            elif isinstance(message, Begin):
                self._growing.pop(message.run.key, None)
            self._messages.append(message)
            self._changed.notify()

    def add(self, key: str, points: Iterable[Point]) -> None:
        """Add values of the run `key`; ignored after `close`."""
        with self._changed:
            if self._closed:
                return
            message = self._growing.get(key)
            if message is None:
                message = self._growing[key] = Metrics(key=key)
                self._messages.append(message)
                self._metrics.append(message)
            before = len(message.points)
            message.points.extend(points)
            self._points += len(message.points) - before
            self._drop_oldest()
            self._changed.notify()

    def take(self) -> Message | None:
        """The oldest message, waiting for one; None once the outbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._closed)
            if not self._messages:
                return None
            message = self._messages.popleft()
            if isinstance(message, Metrics):
                self._points -= len(message.points)
                if self._metrics and self._metrics[0] is message:
                    self._metrics.popleft()
                if self._growing.get(message.key) is message:
                    del self._growing[message.key]
            return message

    def close(self) -> None:
        """Take nothing more in; what waits can still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _drop_oldest(self) -> None:
        while self._points > self._most_points:
            if self._metrics[0].points:
                self._metrics[0].points.popleft()
                self._points -= 1
                self.dropped += 1
            else:
                self._metrics.popleft()
