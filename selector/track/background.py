"""A tracker whose every call returns at once; one thread of its own delivers, and may fail."""

from __future__ import annotations

import math
import shlex
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from selector.config.secrets import redacted
from selector.track.origins import entries
from selector.track.outbox import Earlier, Entry, Files, Item, Outbox
from selector.track.record import StoredRun
from selector.track.run import Result, Run
from selector.track.tracker import Origin, Tracker

#: Seconds until the second try; doubled by every failure in a row, up to the longest pause.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
#: Once somebody waits for the end: seconds between tries, and how long a store may go on failing.
_PAUSE_AT_THE_END, _PATIENCE_AT_THE_END = 0.25, 5.0
#: The same where a signal has asked for the end already.
_PATIENCE_AFTER_A_SIGNAL = 2.0
#: A run that the store refused so often, while it took others, is no longer tried.
_REFUSALS = 3
_POLL_SECONDS = 0.05
#: Whoever waits for the end longer than this is told for what.
_SILENT_SECONDS = 2.0


class Mirror(ABC):
    """A store of runs that people browse, driven by one thread.

    Every method may raise and may take long, and may be told the same thing again.
    """

    @abstractmethod
    def show(self, entry: Entry) -> None:
        """Show where a run stands now."""

    @abstractmethod
    def lacking(self, study: str, entries: Sequence[Entry]) -> list[Entry]:
        """Those of a study's runs that the store is not known to show whole."""

    @abstractmethod
    def attach(self, files: Files) -> Any:
        """Store files of a study."""

    @abstractmethod
    def finish(self) -> None:
        """Leave nothing behind that looks as if it were still running."""

    def leave(self) -> None:  # noqa: B027 - optional
        """Undo what concerns this thread; must not raise."""


class BackgroundTracker(Tracker):
    """Delivers to a mirror from a daemon thread, with pauses that grow while it keeps failing.

    Nothing waits for the mirror but `close`. What could not be delivered waits, by name only, and
    is read from the trial folders once the mirror answers again.

    Args:
        mirror: the store; called from the background thread only.
        place: the mirror's name for people.
    """

    def __init__(self, mirror: Mirror, place: str) -> None:
        self._mirror = mirror
        self._place = place
        self._outbox = Outbox()
        self._running: dict[str, Entry] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._closed_at = math.inf
        self._patience = _PATIENCE_AT_THE_END
        self._abandoned = False
        self._current: Item | None = None
        self._taken = 0  # how much the store has taken
        self._failures_in_a_row = 0
        self._failing_since = math.inf
        self._last_error = ""
        self._left_out: list[Item] = []

    def started(self, run: Run, origin: Origin) -> None:
        """Note that there is something to show."""
        entry = self._running[run.key] = Entry(study=origin.study, run=run, origin=origin)
        self._put(entry)

    def reported(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Note that there is more; the values are read from the run's folder."""
        if (entry := self._running.get(key)) is None:
            return
        for name, value in metrics.items():
            if not math.isfinite(value):
                entry.not_finite.setdefault(name, f"{value} at step {step}")
        self._put(entry)

    def ended(self, key: str, result: Result) -> None:
        """Note that the run is over."""
        if entry := self._running.pop(key, None):
            entry.result = result
            self._put(entry)

    def earlier(self, study: str, runs: Iterable[StoredRun], arms: Sequence[str]) -> None:
        """Note what was over before; what the mirror holds of it is looked up."""
        over = [entry for entry in entries(study, runs, arms) if entry.result is not None]
        if over:
            self._put(Earlier(study=study, entries=over))

    def artifacts(self, study: str, paths: Sequence[Path]) -> None:
        """Note the files; they are read when they are delivered."""
        self._put(Files(study=study, paths=tuple(paths)))

    def close(
        self,
        seconds: float = 30.0,
        *,
        interrupted: Callable[[], bool] = lambda: False,
        on_notice: Callable[[str], None] = lambda text: None,
    ) -> str:
        """Deliver what waits; one sentence where the mirror lacks something.

        It takes at most `seconds`, and less where the store keeps failing, at Ctrl-C, or once
        `interrupted` says so. What is told afterwards is ignored.
        """
        self._outbox.close()
        self._closed_at = time.monotonic()
        self._closing.set()
        if asked_before := interrupted():  # somebody waits for the prompt
            self._patience = _PATIENCE_AFTER_A_SIGNAL
        until = self._closed_at + (min(seconds, self._patience) if asked_before else seconds)
        thread, said = self._thread, False
        if thread is not None:
            try:
                while thread.is_alive() and not self._hopeless() and time.monotonic() < until:
                    if interrupted() and not asked_before:
                        break
                    thread.join(_POLL_SECONDS)
                    if not said and time.monotonic() - self._closed_at > _SILENT_SECONDS:
                        said = True
                        on_notice(f"{self._place} is told the rest; Ctrl-C does not wait for it")
            except KeyboardInterrupt:  # once more: what lacks is said all the same
                pass
            self._abandoned = thread.is_alive()
        return self._sentence()

    def _put(self, item: Item) -> None:
        self._outbox.put(item)
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._deliver, name="mirror", daemon=True)
            self._thread.start()

    def _deliver(self) -> None:
        """The background thread: one item after the other, then the end."""
        while not self._over() and (item := self._outbox.take()) is not None:
            self._current = item
            if not self._attempt(partial(self._tell, item)):
                self._keep(item)
                self._pause()
            self._current = None
        while not self._over() and not self._attempt(self._mirror.finish):
            self._pause()
        self._mirror.leave()

    def _tell(self, item: Item) -> None:
        match item:
            case Entry():
                self._mirror.show(item)
            case Earlier():
                for entry in self._mirror.lacking(item.study, item.entries):
                    self._outbox.put_back(entry)
            case Files():
                self._mirror.attach(item)

    def _attempt(self, call: Callable[[], None]) -> bool:
        """Whether `call` went well."""
        begin = time.monotonic()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, training must not notice
            self._last_error = in_a_line(error)
            self._failures_in_a_row += 1
            self._failing_since = min(self._failing_since, begin)
            return False
        self._taken += 1
        self._failures_in_a_row, self._failing_since = 0, math.inf
        return True

    def _keep(self, item: Item) -> None:
        """Let an item that failed wait, unless it is the item that the store refuses."""
        item.refusals += item.seen not in (-1, self._taken)
        item.seen = self._taken
        if item.refusals >= _REFUSALS:
            self._left_out.append(item)
        else:
            self._outbox.put_back(item)

    def _pause(self) -> None:
        if self._closing.is_set():
            time.sleep(_PAUSE_AT_THE_END)
            return
        doublings = min(self._failures_in_a_row - 1, 20)  # far beyond the longest pause
        self._closing.wait(min(_FIRST_PAUSE * 2**doublings, _LONGEST_PAUSE))

    def _hopeless(self) -> bool:
        """Whether the store has failed for so long since somebody waits that nobody should."""
        since = max(self._failing_since, self._closed_at)
        return time.monotonic() - since > self._patience

    def _over(self) -> bool:
        return self._abandoned or self._hopeless()

    def _sentence(self) -> str:
        items = [*self._left_out, *self._outbox.waiting()]
        if self._abandoned and self._current is not None:
            items.append(self._current)
        runs = {item.identity for item in items if isinstance(item, Entry)}
        gaps = [f"{len(runs)} run{'s' * (len(runs) > 1)}"] if runs else []
        if any(isinstance(item, Earlier) for item in items):
            gaps.append("what earlier commands left out")
        if any(isinstance(item, Files) for item in items):
            gaps.append("the report")
        if not gaps and self._failures_in_a_row:
            gaps = ["the end of some runs"]
        if not gaps:
            return ""
        why = f" ({self._last_error})" if self._last_error else ""
        studies = sorted({item.study for item in items} - {"_single"})
        lacks = " and ".join(", ".join(gaps).rsplit(", ", 1))
        sentence = f"{self._place} lacks {lacks}{why}; the trial folders hold everything"
        commands = " and ".join(f"`selector sync {shlex.quote(study)}`" for study in studies)
        return f"{sentence}: {commands} completes it." if studies else f"{sentence}."


def in_a_line(error: BaseException) -> str:
    """What went wrong, in a line, without a password that stood in an address.

    Where the system, SQLite or Python itself refused, in its words: "Connection refused", not the
    six errors that libraries wrap around it.
    """
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, sqlite3.Error):
            return redacted(str(inner))[:300]
        if isinstance(inner, ModuleNotFoundError):
            return f"the Python package {inner.name} is not installed"
        if isinstance(inner, OSError) and inner.strerror and inner.__context__ is None:
            return inner.strerror
        if isinstance(inner, TimeoutError):
            return "it does not answer in time"
        inner = inner.__cause__ or inner.__context__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redacted(lines[0])[:300]
