"""Which model size, optimizer, schedule, batch and regularization should I train with?

A study compares techniques, each with its own settings tuned, checks the finalists on fresh seeds,
and ends with a report, a recommended configuration, and one command that trains it again.

    import selector
    table = selector.run("quickstart", ["budget=smoke", "name=first_look"])
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING

# Loaded before `report` is defined, so that selector.report stays the function: an import binds a
# package to its parent only when it is loaded.
import selector.report as _report_package  # noqa: F401

if TYPE_CHECKING:
    from selector.report.results import Table
    from selector.report.write import ReportPaths
    from selector.study.agenda import Agenda
    from selector.study.conduct import Conducted
    from selector.study.notify import Notifier
    from selector.study.plan import Plan
    from selector.study.study import Study

__version__ = "0.1.0"
__all__ = ["__version__", "plan", "report", "results", "run"]


def run(
    study: str | Path,
    overrides: Sequence[str] = (),
    *,
    runs: str | Path = "runs",
    reports: str | Path = "reports",
    start: str = "",
) -> Table:
    """Run a study, or go on with it, write its report, and return `results`.

    Where a second stage followed (`then:`), the results are those of that stage; those of the
    first are `results(NAME)`.

    Args:
        study: A name in `studies/`, or the path of a study file.
        overrides: As on the command line: `optimizer=adamw,muon`, `budget=smoke`, `name=first`.
        runs: Folder of what is remembered.
        reports: Folder of what it means.
        start: An import or another study whose observations a sampler that learns starts with.

    Raises:
        InputError: every mistake in the study, the overrides or the data.
        Interrupted: a signal came; calling it again goes on.
    """
    written, _ = run_and_report(
        study, overrides, runs=Path(runs), reports=Path(reports), start=start
    )
    return results(written[-1].recommendation["study"], runs=runs)


def plan(
    study: str | Path,
    overrides: Sequence[str] = (),
    *,
    runs: str | Path = "runs",
    start: str = "",
) -> Plan:
    """What a study would run: arms, spaces, runs, tokens; trains nothing.

    `start` names another study whose runs it would take over, or an import.
    """
    from selector.study.conduct import read_study
    from selector.study.plan import make_plan

    return make_plan(read_study(str(study), _texts(overrides), Path(runs)), Path(runs), start)


def report(
    study: str, *, runs: str | Path = "runs", reports: str | Path = "reports"
) -> ReportPaths:
    """Write the report of a stored study, at any moment; an unfinished study says so."""
    from selector.report.write import write_report
    from selector.study.stored import open_study

    return write_report(open_study(study, Path(runs)), Path(reports))


def results(study: str, *, runs: str | Path = "runs") -> Table:
    """One row for each run of a stored study."""
    from selector.report.results import results as table
    from selector.study.stored import open_study

    return table(open_study(study, Path(runs)))


def run_and_report(
    study: str | Path,
    overrides: Sequence[str],
    *,
    runs: Path,
    reports: Path,
    start: str = "",
    on_notice: Callable[[str], None] = lambda text: None,
    on_progress: Callable[[Agenda], None] = lambda agenda: None,
) -> tuple[list[ReportPaths], str]:
    """What `run` does, for callers that show it: the report of each stage, the last one last.

    With them what the tracker has to say. The first stage's report is written again when the
    second one is over, because it shows what came of it.
    """
    from selector.errors import InputError, Interrupted
    from selector.report.write import write_report
    from selector.signals import StopSignals
    from selector.study.conduct import conduct, read_second_stage, read_study
    from selector.study.notify import Notifier
    from selector.track import make_tracker

    texts = _texts(overrides)
    first = read_study(str(study), texts, runs)
    stage: Study | None = first
    done: list[Conducted] = []
    written: list[ReportPaths] = []
    notifier = Notifier(first.name, first.notify)
    with StopSignals() as signals:
        tracker = make_tracker(first.tracker, runs)
        try:
            while stage is not None:
                done.append(
                    conduct(
                        stage,
                        runs,
                        tracker,
                        start="" if done else start,
                        on_notice=on_notice,
                        on_progress=on_progress,
                        on_turn=notifier.turn,
                        interrupted=signals.came,
                    )
                )
                written = [write_report(item.stored, reports) for item in done]
                for paths in written:
                    tracker.artifacts(paths.recommendation["study"], paths.files)
                over = done[-1].finished and len(done) == 1
                stage = read_second_stage(done[-1].stored, texts, runs) if over else None
            if done[-1].finished:
                _tell(notifier, written[-1])
        except InputError:  # said at the start, to the one who sits there
            raise
        except Exception as error:
            notifier.tell("failed", str(error) or type(error).__name__)
            raise
        finally:
            mirrored = tracker.close(interrupted=signals.came, on_notice=on_notice)
            message = "\n".join(text for text in (mirrored, notifier.close()) if text)
    if not done[-1].finished:
        from_ = ["--from", start] if start else []
        command = shlex.join(["selector", "run", str(study), *from_, *overrides])
        raise Interrupted(
            f"interrupted; everything finished is stored. `{command}` goes on"
            + (f"\n{message}" if message else ""),
            signals.number or SIGINT,  # `selector stop` asks for what Ctrl-C asks for
        )
    return written, message


def _tell(notifier: Notifier, written: ReportPaths) -> None:
    """Tell that a study is over, or that a limit of its budget ended it before."""
    if written.recommendation["state"] == "complete":
        notifier.tell("ended", written.sentence, str(written.page.absolute()))
        return
    method = written.recommendation["method"]
    text = f"It ended unfinished ({method['ended'] or method['limit']}). {written.sentence}"
    notifier.tell("stalled", text, str(written.page.absolute()))


def _texts(overrides: Sequence[str]) -> list[str]:
    """The overrides, where they are a list of texts; one text alone would be its characters."""
    from selector.errors import ConfigError

    if isinstance(overrides, str) or not all(isinstance(item, str) for item in overrides):
        raise ConfigError(f"overrides: expected a list such as ['budget=smoke'], got {overrides!r}")
    return list(overrides)
