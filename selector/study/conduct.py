"""From a composed study to a finished one: data, lock, what is stored, launcher, loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from selector.config.locations import study_file, study_names
from selector.config.study import compose_study
from selector.errors import InputError, StudyError
from selector.launch import LAUNCHERS
from selector.study.agenda import Agenda
from selector.study.arms import resolve
from selector.study.loop import run_study
from selector.study.stored import StoredStudy, check_name
from selector.study.study import Arm, Study, from_mapping, question_changes
from selector.track.lock import study_lock
from selector.track.record import Record
from selector.track.store import FolderStore
from selector.track.tracker import Tracker

#: Prepared data sets lie here, below the runs folder, by fingerprint; no study can have this name.
DATA_FOLDER = "_data"


@dataclass(frozen=True, kw_only=True)
class Conducted:
    """A study that was run as far as it went."""

    stored: StoredStudy
    finished: bool
    """False where it was interrupted."""


def read_study(study: str, overrides: list[str], runs: Path) -> Study:
    """The study that the command line asks for, with its data prepared; trains nothing.

    Raises:
        InputError: every mistake in the study, the overrides and the data.
    """
    asked = _asked(study, overrides, runs)
    composed = compose_study(study_file(asked[0]), asked[1:])
    name = check_name(str(composed.root["name"]))
    stored = Record(FolderStore(runs / name)).study()
    resolved = resolve(composed, from_mapping(stored) if stored else None)
    return prepare_data(replace(resolved, asked=tuple(asked)), runs)


def conduct(
    study: Study,
    runs: Path,
    tracker: Tracker,
    *,
    on_progress: Callable[[Agenda], None] = lambda agenda: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Conducted:
    """Run the study, or go on with what is stored of it.

    Raises:
        StudyError: another process runs it, or what is stored asks another question.
        RunFailed: its runs crash again and again.
    """
    folder = runs / study.name
    with study_lock(folder):
        record = Record(FolderStore(folder))
        _check_same_question(study, record, folder)
        record.write_study(study.to_mapping())
        with LAUNCHERS[study.launcher.name](study.launcher) as launcher:
            finished = run_study(
                study,
                record,
                launcher,
                tracker,
                data_folder=runs / DATA_FOLDER,
                on_progress=on_progress,
                interrupted=interrupted,
            )
    stored = StoredStudy(study=study, record=record, folder=folder)
    return Conducted(stored=stored, finished=finished)


def prepare_data(study: Study, runs: Path) -> Study:
    """The study with each arm's data read, tokenized and named by its fingerprint.

    Raises:
        InputError: every mistake in the data, and functions that cannot be imported.
    """
    from selector.launch.function import check
    from selector.train.data.prepare import prepare

    prepared: dict[object, object] = {}
    mistakes: list[str] = []
    arms: list[Arm] = []
    for arm in study.arms:
        config = arm.config
        try:
            if config.objective.kind == "function":
                check(config)
            else:
                key = (config.data, config.batch.context)
                if key not in prepared:
                    prepared[key] = prepare(
                        config.data, runs / DATA_FOLDER, context=config.batch.context
                    )
                config = replace(config, data=prepared[key])  # type: ignore[arg-type]
        except InputError as error:
            mistakes += error.mistakes
        arms.append(replace(arm, config=config))
    if mistakes:
        raise InputError(list(dict.fromkeys(mistakes)))
    return replace(study, arms=tuple(arms))


def _asked(study: str, overrides: list[str], runs: Path) -> list[str]:
    """Study file or name, then overrides; the name of what is stored goes on with it."""
    stored = runs / study / "study.yaml"
    if study in study_names() or "/" in study or not stored.is_file():
        path = Path(study)
        return [str(path.absolute()) if path.is_file() else study, *overrides]
    mapping = Record(FolderStore(stored.parent)).study()
    assert mapping is not None
    before = from_mapping(mapping).asked
    keys = {text.partition("=")[0] for text in overrides}
    return [*(text for text in before if text.partition("=")[0] not in keys), *overrides]


def _check_same_question(study: Study, record: Record, folder: Path) -> None:
    mapping = record.study()
    if mapping is None:
        return
    changes = question_changes(from_mapping(mapping), study)
    if changes:
        raise StudyError(
            [
                f"{folder}: the stored study asks another question:",
                *(f"  {change}" for change in changes),
                f"  `name={study.name}_2` stores this one beside it; a larger budget goes on with"
                " the stored one",
            ]
        )
