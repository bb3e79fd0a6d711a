"""The study loop: submit what the agenda proposes, store what comes back, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from selector.launch.base import Finished, Launcher, Reported, Started
from selector.study.agenda import Agenda
from selector.study.decisions import LIMIT
from selector.study.ending import Ending
from selector.study.study import Study
from selector.track.record import Record
from selector.track.tracker import Origin, Tracker


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

    It also ends, unfinished, where a limit of its budget is reached.

    Raises:
        RunFailed: three runs crashed with the same error, or nearly all trials failed.
    """
    agenda = Agenda(study, record)
    ending = Ending(agenda)
    while not interrupted():
        limit = ending.limit()
        while not limit and launcher.room() > 0 and (found := agenda.next()):
            run, trial = found
            tracker.started(run, Origin(study=study.name, arm=trial.arm, trial=trial))
            launcher.submit(replace(run, data_folder=data_folder))
        on_progress(agenda)
        if agenda.idle:
            if limit and not agenda.searches.complete:
                agenda.stop(LIMIT, limit)
            return True
        for event in launcher.poll(0.5):
            match event:
                case Reported(key=key, step=step, metrics=metrics):
                    record.report(key, step, metrics)
                    tracker.reported(key, step, metrics)
                case Finished(key=key, ended=ended):
                    result = agenda.finish(key, ended)
                    if result is not None:
                        tracker.ended(key, result)
                        ending.judge(result)
                case Started():
                    pass
    return False
