"""One run from start to end, recorded and mirrored: what reruns, single runs and pilots share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from selector.config.schema import Launch
from selector.errors import Interrupted, StudyError
from selector.launch import LAUNCHERS
from selector.launch.base import Finished, Launcher, Reported
from selector.track.checkpoints import forget_checkpoints
from selector.track.record import Record
from selector.track.run import Outcome, Result, Run
from selector.track.tracker import Origin, Tracker


def new_folder(parent: Path) -> Path:
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
    launcher: str = "local",
    on_report: Callable[[int, Mapping[str, float]], None] = lambda step, metrics: None,
    interrupted: Callable[[], int] = lambda: 0,
) -> Result:
    """Train one run and store it; a worker that dies is not replaced.

    Raises:
        Interrupted: a signal came; what was reported is stored.
    """
    with LAUNCHERS[launcher](Launch(name=launcher, workers=1)) as place:  # type: ignore[arg-type]
        return run_alone(
            run, record, tracker, origin, place, on_report=on_report, interrupted=interrupted
        )


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
            raise Interrupted(
                "interrupted; a run that is cut off starts again from its beginning", number
            )
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
                if asked.folder is not None:
                    forget_checkpoints(asked.folder)
                tracker.ended(run.key, result)
                return result
