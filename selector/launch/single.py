"""One run from start to end, recorded and mirrored: what reruns, single runs and pilots share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from selector.config.schema import Launch
from selector.errors import Interrupted, StudyError
from selector.launch import LAUNCHERS
from selector.launch.base import Finished, Launcher, Reported
from selector.track.checkpoints import forget_checkpoints, whole_checkpoints
from selector.track.lock import is_locked, study_lock
from selector.track.record import Record
from selector.track.run import Outcome, Result, Run
from selector.track.store import FolderStore
from selector.track.tracker import Origin, Tracker

#: Seconds in which an interrupted run may leave its state.
_GRACE = 3.0


def folder_for(parent: Path, run: Run) -> Path:
    """Where `run` lies below `parent`: where an earlier attempt of it left off, else a new folder.

    Raises:
        StudyError: the folder cannot be written to.
    """
    for folder in sorted(parent.glob("*/"), reverse=True):
        if not whole_checkpoints(folder) or is_locked(folder):
            continue
        with suppress(StudyError):
            stored = Record(FolderStore(parent)).alone(folder.name)
            if stored is None:
                continue
            if stored.result is not None and stored.result.outcome is not Outcome.LOST:
                _forget(folder)  # it is over, and was cut off before it came to this
            elif stored.run.fingerprint == run.fingerprint:
                return folder
    return _new_folder(parent)


def _forget(folder: Path | None) -> None:
    """Remove the states of a run that is over; what cannot be removed is no fault of its result."""
    if folder is not None:
        with suppress(OSError):
            forget_checkpoints(folder)


def _new_folder(parent: Path) -> Path:
    """A new folder below `parent`, numbered from 1; two processes never get the same one.

    Raises:
        StudyError: the folder cannot be written to.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0)
        while True:
            try:
                folder = parent / f"{number:05d}"
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder
    except OSError as error:
        raise StudyError(f"{parent}: cannot be written to ({error.strerror})") from error


def run_one(
    run: Run,
    record: Record,
    tracker: Tracker,
    origin: Origin,
    *,
    launch: Launch,
    on_report: Callable[[int, Mapping[str, float]], None] = lambda step, metrics: None,
    interrupted: Callable[[], int] = lambda: 0,
) -> Result:
    """Train one run and store it; a worker that dies is not replaced.

    Raises:
        Interrupted: a signal came; what was reported is stored.
    """
    folder = record.store.path(run.key)
    with study_lock(folder) if folder else nullcontext(), _one(launch) as place:
        often = replace(run, checkpoint_seconds=launch.checkpoint_seconds)
        return run_alone(
            often, record, tracker, origin, place, on_report=on_report, interrupted=interrupted
        )


def _one(launch: Launch) -> Launcher:
    """One worker, with the limits that were asked for."""
    return LAUNCHERS[launch.name](replace(launch, workers=1, total_memory_gib=0.0))


def run_alone(
    run: Run,
    record: Record,
    tracker: Tracker,
    origin: Origin,
    place: Launcher,
    *,
    on_report: Callable[[int, Mapping[str, float]], None] = lambda step, metrics: None,
    interrupted: Callable[[], int] = lambda: 0,
) -> Result:
    """Train one run on a launcher that has nothing else to do, and store it.

    Raises:
        Interrupted: a signal came; what was reported is stored.
    """
    asked = record.ask(run, None)
    tracker.started(asked, origin)
    metrics: dict[str, float] = {}
    objective = run.config.objective
    place.submit(replace(asked, data_folder=run.data_folder))
    while True:
        if number := interrupted():
            raise Interrupted(_cut_off(asked, place), number)
        for event in place.poll(0.5):
            if isinstance(event, Reported):
                record.report(run.key, event.step, event.metrics)
                tracker.reported(run.key, event.step, event.metrics)
                metrics |= event.metrics
                on_report(event.step, event.metrics)
            elif isinstance(event, Finished):
                ended = event.ended
                complete = ended.outcome is Outcome.COMPLETE
                result = Result(
                    outcome=ended.outcome,
                    value=metrics.get(objective.metric) if complete else None,
                    metrics=metrics,
                    steps=ended.steps,
                    seconds=ended.seconds,
                    error=ended.error,
                    facts=dict(ended.facts),
                )
                record.finish(run.key, result)
                if ended.outcome is not Outcome.LOST:  # which the same command goes on with
                    _forget(asked.folder)
                tracker.ended(run.key, result)
                return result


def _cut_off(run: Run, place: Launcher) -> str:
    """Let a run leave the state from which it can go on; what becomes of it, for people."""
    place.stop(run.key)
    until = monotonic() + _GRACE
    while monotonic() < until:
        if any(isinstance(event, Finished) for event in place.poll(0.2)):
            break
    if run.folder is not None and (there := whole_checkpoints(run.folder)):
        step = int(there[0].name.rpartition("-")[2])
        return f"interrupted; the same command goes on after step {step}"
    return "interrupted; the run begins again"
