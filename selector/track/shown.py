"""One run in MLflow: what it has there, what lacks, and how to tell that nothing does.

A value is there where its metric and step are. A run is complete where its status says that it is
over and its tag `selector.mirrored` is the mark of how it ended: the status is always set last, and
of a run that had one before, that tag just before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from selector.config.identity import plain
from selector.track.delivered import result_mark
from selector.track.labels import ending, flat, name, title
from selector.track.mlflow import Found, MlflowStore
from selector.track.outbox import Entry
from selector.track.points import Curve, Point
from selector.track.run import Outcome, Result

MIRRORED = "selector.mirrored"
_STATUS = {
    Outcome.COMPLETE: "FINISHED",
    Outcome.STOPPED: "KILLED",
    Outcome.LOST: "KILLED",
}


class Shown:
    """A run that is shown and not known to be complete there; `create` or `go_on` comes first.

    Args:
        store: where.
        entry: the run as it shall be shown.
        found: what was there before; None: nothing.
    """

    def __init__(self, store: MlflowStore, entry: Entry, found: Found | None) -> None:
        self.entry = entry
        self.run = found.identifier if found else ""
        """MLflow's identifier."""
        self._store = store
        self._found = found
        self._curve = Curve(entry.run.folder)
        self._parameters = flat({**plain(entry.run.config), "tokens": entry.run.tokens})
        self._steps: dict[str, set[int]] = {}  # metric -> steps that are there
        self._not_finite: dict[str, str] = {}  # what is told of them already
        self._says_how_it_ended = False

    def create(self, experiment: str, tags: Mapping[str, str], result: Result | None) -> None:
        """Make it, in few calls where it is over already: dates are those of the run's files."""
        run, origin = self.entry.run, self.entry.origin
        self._says_how_it_ended = result is not None
        tags = {**tags, **(_over(result) if result else {})}
        shown = title(run, origin)
        self.run = self._store.create(experiment, shown, tags, self._curve.start)

    def go_on(self, found: Found, tags: Mapping[str, str], result: Result | None) -> None:
        """Continue what is there: it runs again, or lacks something.

        Whoever saw the run begin knew more of what it belongs to than the record does, so its
        labels stay.
        """
        shown = self._store.shown_parameters(self._parameters)
        self._parameters = {k: v for k, v in shown.items() if k not in found.parameters}
        lacking = {key: text for key, text in tags.items() if key not in found.tags}
        if result is None:
            lacking["selector.outcome"] = "running"
            self._store.set_status(self.run, "RUNNING")
        if lacking:
            self._store.write(self.run, (), {}, lacking)

    def bring(self, result: Result | None) -> None:
        """Add what is new, and how it ended."""
        points = self._new(self._curve.read())
        while more := self._curve.read():
            self._write(points, {})
            points = self._new(more)
        if result is not None and result.value is not None:
            points += self._new([Point("value", result.value, result.steps, self._curve.end)])
        tags = self._new_not_finite()
        if self._found is not None:  # its status may say already that it is over: tags come last
            self._write(points, {})
            points = []
        if result is not None and not self._says_how_it_ended:
            tags |= _over(result)
        self._write(points, tags)
        if result is not None:
            status = _STATUS.get(result.outcome, "FAILED")
            self._store.set_status(self.run, status, self._curve.end)

    def leave(self, status: str) -> None:
        """Show that it is not over, and whether anybody is at it: RUNNING or KILLED."""
        outcome = "running" if status == "RUNNING" else "not over"
        tags = {"selector.outcome": outcome, MIRRORED: str(self._curve.size)}
        self._store.write(self.run, (), {}, tags)
        self._store.set_status(self.run, status)

    def _write(self, points: list[Point], tags: Mapping[str, str]) -> None:
        if points or tags or self._parameters:
            self._store.write(self.run, points, self._parameters, tags)
        self._parameters = {}

    def _new(self, points: Iterable[Point]) -> list[Point]:
        """Those whose metric and step are not there; what was shown first stays."""
        new = []
        for point in points:
            metric = name(point.name)
            if metric not in self._steps:
                there = self._found is not None and metric in self._found.metrics
                self._steps[metric] = self._store.steps(self.run, metric) if there else set()
            if math.isfinite(point.value) and point.step not in self._steps[metric]:
                self._steps[metric].add(point.step)
                new.append(point._replace(name=metric))
        return new

    def _new_not_finite(self) -> dict[str, str]:
        """Labels for values that are no numbers: MLflow would show infinity as 1.8e308."""
        now = dict(self.entry.not_finite)
        new = {key: text for key, text in now.items() if key not in self._not_finite}
        self._not_finite |= new
        return {f"selector.not_finite.{metric}": text for metric, text in new.items()}


def is_complete(found: Found, result: Result) -> bool:
    """Whether everything of a run that ended so is there."""
    return found.status != "RUNNING" and found.tags.get(MIRRORED) == result_mark(result)


def is_left(found: Found, entry: Entry, status: str) -> bool:
    """Whether everything of a run that is not over is there, and shown so."""
    size = str(Curve(entry.run.folder).size)
    return (found.status, found.tags.get(MIRRORED)) == (status, size)


def _over(result: Result) -> dict[str, str]:
    return ending(result) | {MIRRORED: result_mark(result)}
