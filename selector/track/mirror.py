"""How a study looks where people browse: an experiment, a parent run an arm, a child run a run.

Whatever is shown twice appears once: a run is found again by its tag `selector.key`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from selector.track.background import Mirror
from selector.track.delivered import Delivered
from selector.track.labels import labels, name
from selector.track.mlflow import Experiment, Found, MlflowStore
from selector.track.outbox import Entry, Files
from selector.track.run import Result
from selector.track.shown import MIRRORED, Shown, is_complete, is_left


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
        self._live: dict[tuple[str, str], Shown] = {}
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
            self.forget(entry)
            raise

    def bring(self, entry: Entry, found: Found | None, result: Result | None) -> Change:
        """Make what is `found` of a run, None for nothing, what `entry` and its `result` say."""
        study, key = self._study(entry.study), entry.run.key
        if found is not None and result is not None and is_complete(found, result):
            study.delivered.over(key, found.identifier, result)
            return Change.UNCHANGED
        live = self._live[entry.identity] = self._begin(study, entry, found, result)
        self._bring(live, result)
        return Change.COMPLETED if found else Change.CREATED

    def leave_open(self, entry: Entry, found: Found | None, status: str) -> Change:
        """Show a run that is not over as RUNNING, or as KILLED where nobody trains it any more."""
        if found is not None and is_left(found, entry, status):
            return Change.UNCHANGED
        change = self.bring(entry, found, None)
        self._live.pop(entry.identity).leave(status)
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
        """Those runs that are over and not known to be complete.

        Their arms are taken over too: a command that was killed left them running.
        """
        there = self._study(study)
        for arm in {entry.origin.arm for entry in entries} - {""}:
            self._arm(there, study, arm)
        known = there.delivered
        return [entry for entry in entries if not known.holds(entry.run.key, entry.result)]

    def found(self, study: str) -> Iterable[Found]:
        """Everything that the store shows of a study."""
        experiment = self._study(study).experiment
        return () if experiment.fresh else self._store.runs(experiment.identifier)

    def forget(self, entry: Entry) -> None:
        """After a failure nobody knows what arrived: the next try looks first."""
        self._live.pop(entry.identity, None)
        if study := self._studies.pop(entry.study, None):
            study.delivered.close()

    def finish(self) -> None:
        """Leave nothing behind that looks as if this process were still at it."""
        for identity, live in list(self._live.items()):
            live.leave("KILLED")
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
    ) -> Shown:
        run, origin = entry.run, entry.origin
        tags = labels(run, origin)
        if origin.arm:
            tags["mlflow.parentRunId"] = self._arm(study, origin.study, origin.arm)
        shown = Shown(self._store, entry, found)
        if found is not None:
            shown.go_on(found, tags, result)
        else:
            tags |= _own("run", run.key)
            shown.create(study.experiment.identifier, tags, result)
        study.delivered.begun(run.key, shown.run)
        return shown

    def _bring(self, live: Shown, result: Result | None) -> None:
        live.bring(result)
        if result is not None:
            study, entry = self._study(live.entry.study), live.entry
            study.delivered.over(entry.run.key, live.run, result)
            del self._live[entry.identity]

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


def _files_mark(paths: Iterable[Path]) -> str:
    """A mark of the names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            digest.update(file.name.encode("utf-8", "surrogateescape"))
            digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()[:16]
