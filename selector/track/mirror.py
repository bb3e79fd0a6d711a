"""How a study looks where people browse: an experiment, a parent run an arm, a child run a run.

Whatever is shown twice appears once: a run is found again by its tag `selector.key`, a value by
its metric and step. A run is complete there where its status says that it is over and its tag
`selector.mirrored` is the mark of how it ended; the status is always set last.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from selector.config.identity import plain
from selector.track.background import Mirror
from selector.track.delivered import Delivered, result_mark
from selector.track.labels import ending, flat, labels, name, title
from selector.track.mlflow import Experiment, Found, MlflowStore
from selector.track.outbox import Entry, Files
from selector.track.points import Curve, Point
from selector.track.run import Outcome, Result

MIRRORED = "selector.mirrored"
_STATUS = {
    Outcome.COMPLETE: "FINISHED",
    Outcome.STOPPED: "KILLED",
    Outcome.LOST: "KILLED",
}


class Change(StrEnum):
    """What showing a run came to."""

    CREATED = "created"
    COMPLETED = "completed"
    UNCHANGED = "unchanged"


@dataclass(kw_only=True)
class _Study:
    """A study's experiment, and what is known to be in it."""

    experiment: Experiment
    delivered: Delivered


@dataclass(kw_only=True)
class _Live:
    """A run that is shown and not known to be complete there."""

    entry: Entry
    run: str
    """MLflow's identifier."""
    curve: Curve
    parameters: dict[str, str]
    """Those that are not there yet."""
    tags: dict[str, str]
    """Likewise."""
    found: Found | None
    """What was there before; None: it was made just now."""
    begun_open: bool
    """Whether it was not over when it was first shown."""
    steps: dict[str, set[int]] = field(default_factory=dict)
    """Metric -> steps that are there."""
    told: dict[str, str] = field(default_factory=dict)
    """Metric -> its value that was no number, as it is shown."""


class RunMirror(Mirror):
    """Shows runs in an MLflow store; used by one thread.

    Args:
        store: the store.
        runs: the runs folder, in whose study folders is noted what was delivered.
        alone: whether no other process may write to this store about the same study meanwhile.
    """

    def __init__(self, store: MlflowStore, runs: Path, *, alone: bool = False) -> None:
        self._store = store
        self._runs = runs
        self._alone = alone
        self._studies: dict[str, _Study] = {}
        self._live: dict[tuple[str, str], _Live] = {}
        self._arms: dict[tuple[str, str], str] = {}  # (study, arm) -> the run it is shown as

    def show(self, entry: Entry) -> None:
        """Show where a run stands now."""
        live, result = self._live.get(entry.identity), entry.result
        try:
            if live is not None and live.entry is entry:
                self._bring(live, result)
            else:
                self.bring(entry, self._find(entry), result)
        except Exception:
            self._forget(entry)
            raise

    def bring(self, entry: Entry, found: Found | None, result: Result | None) -> Change:
        """Make what is `found` of a run, None for nothing, what `entry` and its `result` say."""
        study, key = self._study(entry.study), entry.run.key
        if found is not None and result is not None and _complete(found, result):
            study.delivered.over(key, found.identifier, result)
            return Change.UNCHANGED
        live = self._live[entry.identity] = self._begin(study, entry, found, result)
        self._bring(live, result)
        return Change.COMPLETED if found else Change.CREATED

    def leave_open(self, entry: Entry, found: Found | None, status: str) -> Change:
        """Show a run that is not over as RUNNING, or as KILLED where nobody trains it any more."""
        there = (found.status, found.tags.get(MIRRORED)) if found else None
        if there == (status, str(Curve(entry.run.folder).size)):
            return Change.UNCHANGED
        change = self.bring(entry, found, None)
        self._leave(self._live.pop(entry.identity), status)
        return change

    def attach(self, files: Files) -> Change:
        """Store files with a run of their own, called report, unless they are there."""
        study = self._study(files.study)
        content = _files_mark(files.paths)
        found = self._search(study, "study", files.study)
        if found and (found.status, found.tags.get(MIRRORED)) == ("FINISHED", content):
            return Change.UNCHANGED
        tags = {"selector.study": files.study}
        run = self._parent(study, "study", files.study, "report", tags, found)
        for path in files.paths:
            self._store.attach(run, path)
        self._store.write(run, (), {}, {MIRRORED: content})
        self._store.set_status(run, "FINISHED")
        return Change.COMPLETED if found else Change.CREATED

    def lacking(self, study: str, entries: Sequence[Entry]) -> list[Entry]:
        """Those runs that are over and not known to be complete."""
        known = self._study(study).delivered
        return [entry for entry in entries if not known.holds(entry.run.key, entry.result)]

    def found(self, study: str) -> Iterable[Found]:
        """Everything that the store shows of a study."""
        experiment = self._study(study).experiment
        return () if experiment.fresh else self._store.runs(experiment.identifier)

    def finish(self) -> None:
        """Leave nothing behind that looks as if this process were still at it."""
        for identity, live in list(self._live.items()):
            self._leave(live, "KILLED")
            del self._live[identity]
        for arm, run in list(self._arms.items()):
            self._store.set_status(run, "FINISHED")
            del self._arms[arm]

    def leave(self) -> None:
        """Let others deliver, and be heard."""
        for study in self._studies.values():
            study.delivered.close()
        self._studies.clear()
        self._store.leave()

    def _study(self, study: str) -> _Study:
        if study not in self._studies:
            experiment = self._store.experiment(study)
            folder = self._runs / name(study, 64, "_.-")
            delivered = Delivered(folder, self._store.uri, alone=self._alone)
            delivered.about(experiment.identifier, experiment.created)
            self._studies[study] = _Study(experiment=experiment, delivered=delivered)
        return self._studies[study]

    def _forget(self, entry: Entry) -> None:
        """After a failure nobody knows what arrived: the next try looks first."""
        self._live.pop(entry.identity, None)
        if study := self._studies.pop(entry.study, None):
            study.delivered.close()

    def _find(self, entry: Entry) -> Found | None:
        study = self._study(entry.study)
        if run := study.delivered.run(entry.run.key):
            found = self._store.run(run)
            if found is not None:
                return found
        return self._search(study, "run", entry.run.key)

    def _search(self, study: _Study, kind: str, key: str) -> Found | None:
        if study.experiment.fresh and kind == "run":  # what was made since then is known
            return None
        return self._store.search(study.experiment.identifier, kind, key)

    def _begin(
        self, study: _Study, entry: Entry, found: Found | None, result: Result | None
    ) -> _Live:
        run, origin = entry.run, entry.origin
        tags = labels(run, origin)
        if origin.arm:
            tags["mlflow.parentRunId"] = self._arm(study, origin.study, origin.arm)
        if result is not None:
            tags |= ending(result) | {MIRRORED: result_mark(result)}
        curve = Curve(run.folder)
        parameters = flat({**plain(run.config), "tokens": run.tokens})
        if found is None:
            tags |= _own("run", run.key)
            made = self._store.create(
                study.experiment.identifier, title(run, origin), tags, curve.start
            )
            tags = {}
        else:
            made = found.identifier
            if result is None:
                self._store.set_status(made, "RUNNING")
            shown = self._store.shown_parameters(parameters)
            parameters = {k: v for k, v in shown.items() if k not in found.parameters}
            # Whoever saw the run begin knew more of what it belongs to than the record does.
            changing = set(ending(result)) if result else {"selector.outcome"}
            tags = {k: v for k, v in tags.items() if k in changing or k not in found.tags}
        study.delivered.begun(run.key, made)
        return _Live(
            entry=entry,
            run=made,
            curve=curve,
            parameters=parameters,
            tags=tags,
            found=found,
            begun_open=result is None,
        )

    def _bring(self, live: _Live, result: Result | None) -> None:
        """Add what is new of a run, and how it ended."""
        points = self._new(live, live.curve.read())
        while more := live.curve.read():
            self._write(live, points, {})
            points = self._new(live, more)
        if result is not None and result.value is not None:
            value = Point("value", result.value, result.steps, live.curve.end)
            points += self._new(live, [value])
        tags, live.tags = live.tags, {}
        tags |= self._not_finite(live)
        if result is not None and live.begun_open:
            tags |= ending(result) | {MIRRORED: result_mark(result)}
        if live.found is not None:  # its status may say already that it is over: tags come last
            self._write(live, points, {})
            points = []
        self._write(live, points, tags)
        if result is not None:
            status = _STATUS.get(result.outcome, "FAILED")
            self._store.set_status(live.run, status, live.curve.end)
            study = self._study(live.entry.study)
            study.delivered.over(live.entry.run.key, live.run, result)
            del self._live[live.entry.identity]

    def _write(self, live: _Live, points: list[Point], tags: dict[str, str]) -> None:
        if points or tags or live.parameters:
            self._store.write(live.run, points, live.parameters, tags)
        live.parameters = {}

    def _new(self, live: _Live, points: Iterable[Point]) -> list[Point]:
        """Those whose metric and step are not there; what was shown first stays."""
        new = []
        for point in points:
            metric = name(point.name)
            if metric not in live.steps:
                there = live.found is not None and metric in live.found.metrics
                live.steps[metric] = self._store.steps(live.run, metric) if there else set()
            if math.isfinite(point.value) and point.step not in live.steps[metric]:
                live.steps[metric].add(point.step)
                new.append(point._replace(name=metric))
        return new

    def _not_finite(self, live: _Live) -> dict[str, str]:
        """Labels for values that are no numbers: MLflow would show infinity as 1.8e308."""
        told = {k: v for k, v in dict(live.entry.not_finite).items() if k not in live.told}
        live.told.update(told)
        return {f"selector.not_finite.{metric}": text for metric, text in told.items()}

    def _leave(self, live: _Live, status: str) -> None:
        outcome = "running" if status == "RUNNING" else "not over"
        tags = {"selector.outcome": outcome, MIRRORED: str(live.curve.size)}
        self._store.write(live.run, (), {}, tags)
        self._store.set_status(live.run, status)

    def _arm(self, study: _Study, of: str, arm: str) -> str:
        if (of, arm) not in self._arms:
            tags = {"selector.study": of, "selector.arm": arm}
            found = self._search(study, "arm", arm)
            self._arms[of, arm] = self._parent(study, "arm", arm, arm, tags, found)
        return self._arms[of, arm]

    def _parent(
        self,
        study: _Study,
        kind: str,
        key: str,
        shown: str,
        tags: Mapping[str, str],
        found: Found | None,
    ) -> str:
        """A run that shows no training; it is running now."""
        if found is None:
            tags = {**tags, **_own(kind, key)}
            return self._store.create(study.experiment.identifier, shown, tags)
        self._store.set_status(found.identifier, "RUNNING")
        return found.identifier


def _own(kind: str, key: str) -> dict[str, str]:
    """The tags by which a run is found again."""
    return {"selector.kind": kind, "selector.key": key, "mlflow.source.name": "selector"}


def _complete(found: Found, result: Result) -> bool:
    return found.status != "RUNNING" and found.tags.get(MIRRORED) == result_mark(result)


def _files_mark(paths: Iterable[Path]) -> str:
    """A mark of the names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            digest.update(file.name.encode("utf-8", "surrogateescape"))
            digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()[:16]
