"""The study loop: submit what the agenda proposes, store what comes back, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    begun: dict[str, float] = {}
    often = study.launcher.checkpoint_seconds

    trouble: StorageError | None = None

    def take(events: Sequence[Event]) -> None:
        nonlocal trouble
        for event in events:
            if agenda.knows(event.key):
                try:
                    take_one(event)
                except StorageError as error:  # half of its curve is no result: made again later
                    trouble = trouble or error
                    agenda.forget(event.key)

    def take_one(event: Event) -> None:
        match event:
            case Reported(key=key, step=step, metrics=metrics):
                record.report(key, step, metrics)
                tracker.reported(key, step, metrics)
            case Finished(key=key, ended=ended):
                result = agenda.finish(key, ended)
                if result is not None:
                    tracker.ended(key, result)
                    ending.judge(result)
            case Started(key=key):
                begun[key] = monotonic()

    def start_what_is_next() -> None:
        # Not while there is room: runs that end at once would keep their results from being stored.
        for _ in range(launcher.room()):
            if (found := agenda.next()) is None:
                break
            run, trial = found
            tracker.started(run, Origin(study=study.name, arm=trial.arm, trial=trial))
            launcher.submit(replace(run, data_folder=data_folder, checkpoint_seconds=often))

    while True:
        limit = ending.limit()
        try:
            requests.take()
            if requests.end or interrupted():
                break
            if not (limit or trouble):
                start_what_is_next()
        except StorageError as error:
            trouble = trouble or error
        on_progress(agenda)
        if agenda.idle:
            if trouble:
                raise trouble
            if limit and not agenda.searches.complete:
                agenda.stop(LIMIT, limit)
            elif agenda.paused:
                agenda.stop("paused", f"all that is left is paused: trials {agenda.paused}")
            return True
        events = launcher.poll(0.5)
        on_turn(agenda, events)
        take(events)
    _let_go(agenda, launcher, take, begun, often)
    if trouble:
        raise trouble
    return False


def _let_go(
    agenda: Agenda,
    launcher: Launcher,
    take: Callable[[Sequence[Event]], None],
    begun: Mapping[str, float],
    often: float,
) -> None:
    """Have runs that would lose much leave a checkpoint, if they are quick.

    `begun` is when each run began, `often` how long one trains between two checkpoints.
    """
    agenda.closing = True
    deadline = monotonic() + _GRACE
    long = {key for key in agenda.flying() if often and begun.get(key, inf) < monotonic() - often}
    for key in long:
        launcher.stop(key)
    while long & set(agenda.flying()) and monotonic() < deadline:
        take(launcher.poll(0.1))
