"""The study loop: submit what the agenda proposes, store what comes back, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic

from selector.errors import StorageError
from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.study.agenda import Agenda
from selector.study.decisions import LIMIT
from selector.study.ending import Ending
from selector.study.requests import Requests
from selector.study.study import Study
from selector.track.record import Record
from selector.track.tracker import Origin, Tracker

#: Seconds that runs get to leave a checkpoint when the command is interrupted.
_GRACE = 2.0


def run_study(
    study: Study,
    record: Record,
    launcher: Launcher,
    tracker: Tracker,
    *,
    data_folder: Path | None = None,
    on_progress: Callable[[Agenda], None] = lambda agenda: None,
    on_turn: Callable[[Agenda, Sequence[Event]], None] = lambda agenda, events: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> bool:
    """Run the study, or go on with it; False where it was interrupted before its end.

    It also ends, unfinished, at a limit of its budget, and where all that is left is paused. Where
    something cannot be stored no further run is started, and those in flight end before the error.

    Raises:
        RunFailed: three runs crashed with the same error, or nearly all trials failed.
        StorageError: the disk is full, read-only, or fails.
    """
    agenda = Agenda(study, record)
    ending, requests = Ending(agenda), Requests(agenda, launcher)
    runs = _Runs(agenda, record, launcher, tracker, ending, data_folder)
    while not (runs.attempt(requests.take) and requests.end) and not interrupted():
        limit = ending.limit()
        if not limit:
            runs.attempt(runs.start)
        on_progress(agenda)
        if agenda.idle:
            runs.raise_trouble()
            if limit and not agenda.searches.complete:
                agenda.stop(LIMIT, limit)
            elif agenda.paused:
                agenda.stop("paused", f"all that is left is paused: trials {agenda.paused}")
            return True
        events = launcher.poll(0.5)
        on_turn(agenda, events)
        runs.take(events)
    runs.let_go()
    runs.raise_trouble()
    return False


class _Runs:
    """The runs in flight: started, stored as they report and end, let go of in the end."""

    def __init__(
        self,
        agenda: Agenda,
        record: Record,
        launcher: Launcher,
        tracker: Tracker,
        ending: Ending,
        data_folder: Path | None,
    ) -> None:
        self._agenda, self._record, self._launcher = agenda, record, launcher
        self._tracker, self._ending, self._data_folder = tracker, ending, data_folder
        self._often = agenda.study.launcher.checkpoint_seconds
        self._begun: dict[str, float] = {}
        self._trouble: StorageError | None = None

    def attempt(self, action: Callable[[], None]) -> bool:
        """Do something that stores, if the disk has had no trouble so far; whether it went well."""
        if self._trouble is None:
            try:
                action()
            except StorageError as error:
                self._trouble = error
        return self._trouble is None

    def raise_trouble(self) -> None:
        """Raise what the disk refused first, if anything."""
        if self._trouble is not None:
            raise self._trouble

    def start(self) -> None:
        """Submit what is next, once for each free place.

        Not while there is room: runs that end at once would keep their results from being stored.
        """
        study = self._agenda.study
        for _ in range(self._launcher.room()):
            if (found := self._agenda.next()) is None:
                break
            run, trial = found
            self._tracker.started(run, Origin(study=study.name, arm=trial.arm, trial=trial))
            self._launcher.submit(
                replace(run, data_folder=self._data_folder, checkpoint_seconds=self._often)
            )

    def take(self, events: Sequence[Event]) -> None:
        """Store what happened; a run of which something cannot be stored is made again later."""
        for event in events:
            if not self._agenda.knows(event.key):
                continue
            try:
                self._take(event)
            except StorageError as error:
                self._trouble = self._trouble or error
                self._agenda.forget(event.key)

    def _take(self, event: Event) -> None:
        match event:
            case Reported(key=key, step=step, metrics=metrics):
                self._record.report(key, step, metrics)
                self._tracker.reported(key, step, metrics)
            case Finished(key=key, ended=ended):
                self._begun.pop(key, None)
                result = self._agenda.finish(key, ended)
                if result is not None:
                    self._tracker.ended(key, result)
                    self._ending.judge(result)
            case Started(key=key):
                self._begun[key] = monotonic()

    def let_go(self) -> None:
        """Have runs that would lose much leave a checkpoint, if they are quick."""
        self._agenda.closing = True
        now, often = monotonic(), self._often
        flying = self._agenda.flying()
        long = {key for key in flying if often and now - self._begun.get(key, inf) > often}
        for key in long:
            self._launcher.stop(key)
        while long & set(self._agenda.flying()) and monotonic() < now + _GRACE:
            self.take(self._launcher.poll(0.1))
