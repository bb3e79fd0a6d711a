"""The study loop: submit what the agenda proposes, store what comes back, until nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic

from selector.errors import RunFailed, StorageError
from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.study.agenda import Agenda
from selector.study.study import Study
from selector.track.record import Record
from selector.track.run import Outcome, Result
from selector.track.tracker import Origin, Tracker

#: The same crash this often stops a study: the fault lies in the program, not in a configuration.
SAME_CRASHES = 3


def run_study(
    study: Study,
    record: Record,
    launcher: Launcher,
    tracker: Tracker,
    *,
    data_folder: Path | None = None,
    on_progress: Callable[[Agenda], None] = lambda agenda: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> bool:
    """Run the study, or go on with it; False where it was interrupted before its end.

    It also ends, unfinished, where a limit of its budget is reached. Where something cannot be
    stored no further run is started, and those in flight come to their end before the error.

    Raises:
        RunFailed: three runs crashed with the same error.
        StorageError: the disk is full, read-only, or fails.
    """
    agenda = Agenda(study, record)
    begin = monotonic()
    crashes: Counter[str] = Counter()
    trouble: StorageError | None = None
    while not interrupted():
        spent = _spent(agenda, monotonic() - begin)
        try:
            while not (spent or trouble) and launcher.room() > 0 and (found := agenda.next()):
                run, trial = found
                tracker.started(run, Origin(study=study.name, arm=trial.arm, trial=trial))
                launcher.submit(replace(run, data_folder=data_folder))
        except StorageError as error:
            trouble = error
        on_progress(agenda)
        if agenda.idle:
            if trouble:
                raise trouble
            if spent and not agenda.searches.complete:
                agenda.stop(spent)
            return True
        for event in launcher.poll(0.5):
            if agenda.knows(event.key):
                try:
                    _take(event, agenda, record, tracker, crashes)
                except StorageError as error:  # half of its curve is no result: made again later
                    trouble = trouble or error
                    agenda.forget(event.key)
    if trouble:
        raise trouble
    return False


def _take(
    event: Event, agenda: Agenda, record: Record, tracker: Tracker, crashes: Counter[str]
) -> None:
    """Store what a run reported, or how it ended, and tell the tracker."""
    match event:
        case Reported(key=key, step=step, metrics=metrics):
            record.report(key, step, metrics)
            tracker.reported(key, step, metrics)
        case Finished(key=key, ended=ended):
            result = agenda.finish(key, ended)
            if result is not None:
                tracker.ended(key, result)
                _count_crash(crashes, result)
        case Started():
            pass


def _spent(agenda: Agenda, seconds: float) -> str:
    """The limit of the budget that is reached, `seconds` after the command began; empty: none."""
    budget = agenda.study.budget
    if budget.hours and seconds >= 3600 * budget.hours:
        return f"budget.hours={budget.hours:g}"
    if budget.device_hours and agenda.searches.device_seconds >= 3600 * budget.device_hours:
        return f"budget.device_hours={budget.device_hours:g}"
    return ""


def _count_crash(crashes: Counter[str], result: Result) -> None:
    if result.outcome is not Outcome.CRASHED:
        return
    last_line = result.error.strip().rpartition("\n")[2]
    crashes[last_line] += 1
    if crashes[last_line] >= SAME_CRASHES:
        raise RunFailed(
            f"{SAME_CRASHES} runs crashed with the same error, so the study stops:\n"
            f"{result.error}\nWhat finished is stored; mend it and run the study again.",
            result.outcome,
        )
