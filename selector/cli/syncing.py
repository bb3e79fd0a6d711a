"""`selector sync`: from the trial folders to MLflow, everything, once."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def sync(asked: argparse.Namespace) -> int:
    """Complete what MLflow shows of a stored study, from its trial folders.

    Every run with its parameters, curves and end, and the report where it was written. What is
    there already stays; told twice, nothing changes. With --uri to another server, everything.
    """
    from selector.cli.commands import stored_name
    from selector.cli.progress import Progress
    from selector.signals import StopSignals
    from selector.study.stored import open_study
    from selector.track.database import default_uri
    from selector.track.mlflow import MlflowStore
    from selector.track.sync import sync as deliver

    stored = open_study(stored_name(asked.study), asked.runs)
    study = stored.study
    uri = asked.uri or study.tracker.address() or default_uri(asked.runs)
    report = asked.reports / study.name
    with StopSignals() as signals, Progress(silent=asked.json) as progress:
        done = deliver(
            study.name,
            stored.record,
            [arm.name for arm in study.arms],
            asked.runs,
            MlflowStore(uri, asked.runs / "artifacts"),
            files=_report_files(report),
            on_progress=progress.count,
            interrupted=lambda: signals.number,
        )
    if asked.json:
        print(json.dumps({"study": study.name, **asdict(done)}, indent=1))
    else:
        print(
            f"{done.place} shows {done.runs - len(done.refused)} of {done.runs} runs of"
            f" {study.name}: {done.created} created, {done.completed} completed,"
            f" {done.unchanged} unchanged"
            + (f"; {done.removed} second copies moved to its trash" if done.removed else "")
        )
        print("".join(f"refused: {line}\n" for line in done.refused), end="")
    return 1 if done.refused else 0


def describe(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("study", metavar="STUDY", help="a stored study's name, or its file")
    parser.add_argument(
        "--uri", default="", help="another MLflow server or database than the study's own"
    )


def _report_files(report: Path) -> list[Path]:
    """What `run` and `report` write there, as far as it is there."""
    names = ("index.html", "recommendation.json", "recommended.yaml", "trials.csv", "curves.csv")
    return [report / name for name in names if (report / name).is_file()]
