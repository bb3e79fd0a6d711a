"""A launcher that knows some runs already: another study has made them, nobody makes them again."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.track.record import Record, StoredRun
from selector.track.run import TAKEN_OVER, Ended, Run

_WEIGHTS = "checkpoint"


class Recalling(Launcher):
    """Answers a run that is known with what is stored of it, and hands on every other.

    Args:
        inner: Where runs happen.
        name: The study in whose `record` the known ones are.
        known: Run fingerprint -> run.
    """

    def __init__(
        self, inner: Launcher, name: str, record: Record, known: Mapping[str, StoredRun]
    ) -> None:
        self._inner, self._name, self._record, self._known = inner, name, record, known
        self._events: deque[Event] = deque()

    def room(self) -> int:
        """That of the inner one: a run may be known or not."""
        return self._inner.room()

    def submit(self, run: Run) -> None:
        """Answer the run in the next `poll`, or hand it on."""
        stored = self._known.get(run.fingerprint)
        if stored is None or stored.result is None:
            self._inner.submit(run)
            return
        if stored.run.folder is not None and run.folder is not None:
            _copy(stored.run.folder / _WEIGHTS, run.folder / _WEIGHTS)
        result = stored.result
        facts = {name: value for name, value in result.facts.items() if name != "ended"}
        number = stored.trial.number if stored.trial else None
        # Where it was really made, if the other study had taken it over itself.
        origin: Any = facts.get(TAKEN_OVER) or {
            "study": self._name, "trial": number, "run": stored.run.key,
        }  # fmt: skip
        self._events.append(Started(key=run.key))
        for row in self._record.curve(stored.run.key):
            metrics = {name: value for name, value in row.items() if name != "step"}
            self._events.append(Reported(key=run.key, step=int(row["step"]), metrics=metrics))
        ended = Ended(
            outcome=result.outcome,
            steps=result.steps,
            seconds=result.seconds,
            error=result.error,
            facts={**facts, TAKEN_OVER: origin},
        )
        self._events.append(Finished(key=run.key, ended=ended))

    def poll(self, seconds: float) -> list[Event]:
        """What is known first; then what happens."""
        known = list(self._events)
        self._events.clear()
        return [*known, *self._inner.poll(0.0 if known else seconds)]

    def stop(self, key: str) -> None:
        """Hand it on."""
        self._inner.stop(key)

    def close(self) -> None:
        """Close the inner one."""
        self._inner.close()


def _copy(source: Path, target: Path) -> None:
    """The weights that were kept, so that the other study may be deleted."""
    for path in source.glob("*") if source.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
            own = target / path.name
            own.unlink(missing_ok=True)  # of a take-over that was cut off
            try:
                own.hardlink_to(path)  # weights are replaced, never written into
            except OSError:  # another file system, or one without links
                shutil.copyfile(path, own)
