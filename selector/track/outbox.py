"""What waits to be mirrored: which runs have changed, not what they said, so that it stays small.

What a run reported is read from its folder when its turn comes. A run waits at most once, however
often it changes: a server that is away costs a few references a run, which the record holds anyway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selector.track.run import Result, Run
from selector.track.tracker import Origin

#: Seconds until a run that is not over is shown, and shown again: most short runs are over by
#: then, and cost half as many calls. The dates shown are those of the run's files.
LOOK_SECONDS = 1.0


@dataclass(eq=False, kw_only=True)
class Item:
    """Something that the mirror does not show yet."""

    study: str
    refusals: int = 0
    """How often the store refused it while it took others."""
    seen: int = -1
    """How much the store had taken when it last refused it; -1: never."""


@dataclass(eq=False, kw_only=True)
class Entry(Item):
    """One attempt at a run, as the mirror shall show it."""

    run: Run
    origin: Origin
    result: Result | None = None
    """None until it is over."""
    not_finite: dict[str, str] = field(default_factory=dict)
    """Metric -> its first value that was no number; the record leaves those out."""
    due: float = 0.0
    """When a run that is not over is worth a look, on the monotonic clock."""

    @property
    def identity(self) -> tuple[str, str]:
        """The study and the run in it."""
        return self.study, self.run.key


@dataclass(eq=False, kw_only=True)
class Earlier(Item):
    """Runs of a study that were over before this command began."""

    entries: Sequence[Entry]


@dataclass(eq=False, kw_only=True)
class Files(Item):
    """Files of a whole study."""

    paths: tuple[Path, ...]


class Outbox:
    """A set of what has changed, between the threads that tell and the one that delivers.

    Runs that are over come in their order; those that are not, now and then, when nothing else is
    to be done; files last.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: dict[tuple[str, str], Item] = {}
        self._running: dict[tuple[str, str], Entry] = {}
        self._files: dict[str, Files] = {}
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Say that `item` has changed; ignored after `close`."""
        with self._changed:
            if not self._closed:
                self._put(item)

    def put_back(self, item: Item) -> None:
        """Let an item that was taken out wait behind the others, unless a newer one is there."""
        with self._changed:
            newer = isinstance(item, Files) and item.study in self._files
            if isinstance(item, Entry):
                item.due = self._clock() + LOOK_SECONDS
                newer = item.identity in self._ready or item.identity in self._running
            if not newer:
                self._put(item)

    def take(self) -> Item | None:
        """What comes next, waiting for it; None once the outbox is closed and empty."""
        with self._changed:
            while True:
                item = self._next()
                if item is not None or self._closed:
                    return item
                due = min((entry.due for entry in self._running.values()), default=None)
                self._changed.wait(None if due is None else max(0.0, due - self._clock()))

    def waiting(self) -> list[Item]:
        """Everything that waits."""
        with self._changed:
            return [*self._ready.values(), *self._running.values(), *self._files.values()]

    def close(self) -> None:
        """Take nothing more in; what waits is due now."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, item: Item) -> None:
        match item:
            case Files():
                self._files[item.study] = item
            case Entry(result=None):
                if self._running.get(item.identity) is item:
                    return  # its time is known: nobody has to wake up
                self._ready.pop(item.identity, None)
                item.due = item.due or self._clock() + LOOK_SECONDS
                self._running[item.identity] = item
            case Entry():
                self._running.pop(item.identity, None)
                self._ready[item.identity] = item
            case _:
                self._ready[item.study, ""] = item
        self._changed.notify()

    def _next(self) -> Item | None:
        if self._ready:
            return self._ready.pop(next(iter(self._ready)))
        now = self._clock()
        for identity, entry in self._running.items():
            if entry.due <= now or self._closed:
                entry.due = now + LOOK_SECONDS
                return self._running.pop(identity)
        if self._files:
            return self._files.pop(next(iter(self._files)))
        return None
