"""From a composed study to a finished one: data, lock, what is stored, launcher, loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from selector.config.command_line import LENGTHS
from selector.config.compose import parse_overrides
from selector.config.decode import Mistakes
from selector.config.identity import plain
from selector.config.locations import studies_folder, study_file, study_names
from selector.config.schema import GROUPS, RunConfig
from selector.config.study import compose_study
from selector.errors import ConfigError, InputError, StudyError
from selector.launch import LAUNCHERS, orphans
from selector.launch.base import Event, Launcher
from selector.launch.recall import Recalling
from selector.launch.usable import refuse_unusable
from selector.study.agenda import Agenda
from selector.study.answer import answer
from selector.study.arms import resolve
from selector.study.disk import disk_note
from selector.study.followup import (
    SecondStage,
    accepted,
    everything,
    second_name,
    stored_stage,
    together,
)
from selector.study.lengths import settle, untimed
from selector.study.loop import run_study
from selector.study.pilot import time_arms
from selector.study.replays import with_tables
from selector.study.start import read_start, start_from
from selector.study.step_sizes import compare_with_text
from selector.study.stored import StoredStudy, check_name, read_mapping
from selector.study.study import Arm, Study, question_changes
from selector.study.takeover import finished_runs
from selector.track.lock import study_lock
from selector.track.record import Record, stored_study
from selector.track.store import FolderStore
from selector.track.tracker import Tracker

#: Prepared data sets lie here, below the runs folder, by fingerprint; no study can have this name.
DATA_FOLDER = "_data"
#: An override that runs a program: it holds for the command that gives it, and is not stored.
_COMMAND = {"notify.command"}


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
    before = _to_go_on_with(study, _keys(overrides), runs)
    asked, folder = _asked(study, overrides, before)
    stage = None
    if before is not None and before.after:
        stage = stored_stage(before)
        given = parse_overrides(overrides, Mistakes())
        compared = {item.key for item in given if item.kind == "choices"}
        if kept := (_keys(overrides) & {"name", "then", "seed", "question"}) | compared:
            raise ConfigError(
                f"{', '.join(sorted(kept))}: {before.name} is the second stage of {before.after},"
                f" which decides this: `selector run {before.after}`"
            )
    found = _read(asked, folder, runs, stage)
    if not _keys(overrides) & _COMMAND:  # a stored study may have been sent to you
        found = replace(found, notify=replace(found.notify, command=()))
    if found.then:  # what cannot be put together is refused before anything is trained
        try:
            _read(asked, folder, runs, everything(found))
        except InputError as error:
            raise InputError([f"then: together: {line}" for line in error.mistakes]) from error
    return prepare_data(found, runs)


def read_second_stage(first: StoredStudy, overrides: list[str], runs: Path) -> Study | None:
    """The stage that follows a finished study, or goes on; None where nothing can be combined.

    `overrides` are those of the command that asked for the first stage: a larger budget holds
    for both.

    Raises:
        StudyError: what is stored of it put other choices together.
    """
    if not first.study.then:
        return None
    known = answer(first.study, first.record)
    found = accepted(first.study, known)
    if not known.complete or not found.follows:  # a limit of the budget ends a stage early
        return None
    stage = together(first.study, found.choices)
    folder = runs / second_name(first.study.name)
    before = _stored(folder.name, runs)
    if before is None:
        first_asked, place = list(first.study.asked), Path(first.study.asked_in)
        return prepare_data(_read(first_asked, place, runs, stage), runs)
    if plain(stored_stage(before).arms) != plain(stage.arms):
        raise StudyError(
            f"{folder}: is stored for other choices than {first.study.name} accepts now"
            f" ({', '.join(item.arm for item in found.choices)}): move the folder away, and"
            f" `selector run {first.study.name}` puts these together"
        )
    own = [text for text in overrides if text.partition("=")[0] != "name"]
    asked, place = _asked(before.name, own, before)
    return prepare_data(_read(asked, place, runs, stage), runs)


def conduct(
    study: Study,
    runs: Path,
    tracker: Tracker,
    *,
    start: str = "",
    on_notice: Callable[[str], None] = lambda text: None,
    on_progress: Callable[[Agenda], None] = lambda agenda: None,
    on_turn: Callable[[Agenda, Sequence[Event]], None] = lambda agenda, events: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Conducted:
    """Run the study, or go on with what is stored of it.

    `start` names another study, whose runs that are the same are taken over, or an import.

    Raises:
        StudyError: another process runs it, what is stored asks another question, or it began
            with another start.
        ConfigError: a device, a precision or a library that an arm needs is not here, or a library
            refuses its values.
        RunFailed: its runs crash again and again.
    """
    _refuse_unusable(study)
    folder = runs / study.name
    with study_lock(folder):
        record = Record(FolderStore(folder), on_damage=on_notice)
        _check_same_question(study, folder)
        if start and (note := start_from(start, study, record, runs)):
            on_notice(note)
        if note := disk_note(study, folder):
            on_notice(note)
        record.write_study(study.to_mapping())
        tracker.earlier(study.name, record.runs(), [arm.name for arm in study.arms])
        data_folder, finished = runs / DATA_FOLDER, False
        if killed := orphans.reap(folder / orphans.FILE):
            on_notice(f"processes of an earlier `selector run` still lived; ended: {killed}")
        with _launcher(study, record, folder) as launcher:
            if untimed(study):
                pilot = time_arms(
                    study,
                    record,
                    launcher,
                    tracker,
                    data_folder=data_folder,
                    interrupted=interrupted,
                )
                study = _settled(replace(study, pilot=pilot), data_folder)
                record.write_study(study.to_mapping())
            if not untimed(study):
                finished = run_study(
                    study,
                    record,
                    launcher,
                    tracker,
                    data_folder=data_folder,
                    on_progress=on_progress,
                    on_turn=on_turn,
                    interrupted=interrupted,
                )
    stored = StoredStudy(study=study, record=record, folder=folder)
    return Conducted(stored=stored, finished=finished)


def _launcher(study: Study, record: Record, folder: Path) -> Launcher:
    """Where the study's runs happen, those apart that the study it started from has made."""
    make, name = LAUNCHERS[study.launcher.name], read_start(record.store).name
    if not name or not (folder.parent / name / "study.yaml").is_file():
        return make(study.launcher, folder)
    other = Record(FolderStore(folder.parent / name))  # may refuse: before a process is started
    known = finished_runs(other)
    return Recalling(make(study.launcher, folder), name, other, known)


def _refuse_unusable(study: Study) -> None:
    mistakes: list[str] = []
    for arm in study.arms:
        try:
            refuse_unusable(arm.config)
        except ConfigError as error:
            mistakes += [f"{arm.name}: {text}" for text in error.mistakes]
    if mistakes:
        raise ConfigError(mistakes)


def prepare_data(study: Study, runs: Path) -> Study:
    """The study with each arm's data read, tokenized and named, and the lengths of its runs.

    Raises:
        InputError: every mistake in the data and tables, functions that cannot be imported, and
            lengths that are not one step.
    """
    if any(arm.config.objective.kind == "replay" for arm in study.arms):
        return with_tables(study)
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
    there = [training_tokens(arm.config, runs / DATA_FOLDER) for arm in arms]
    notes = compare_with_text(list(zip(arms, there, strict=True)))
    kept = tuple(note for note in study.notes if note not in notes)
    return _settled(replace(study, arms=tuple(arms), notes=(*kept, *notes)), runs / DATA_FOLDER)


def _settled(study: Study, data_folder: Path) -> Study:
    """The study with the tokens of every arm, as its prepared data and its pilot runs say."""
    mistakes = Mistakes()
    study = settle(study, training_tokens(study.arms[0].config, data_folder), mistakes)
    mistakes.raise_if_any()
    return study


def training_tokens(config: RunConfig, data_folder: Path) -> int:
    """Tokens of the training part of prepared data; 0 where runs are not built in."""
    if not config.built_in:
        return 0
    from selector.train.data.prepare import describe

    return int(describe(config.data, data_folder)["tokens"]["train"])


def _read(asked: list[str], folder: Path, runs: Path, stage: SecondStage | None) -> Study:
    """The study that `asked` describes, or the second stage of it; its data is not prepared."""
    listed = None if stage is None else stage.arms
    composed = compose_study(study_file(asked[0]), asked[1:], folder, listed)
    if stage is not None:
        composed = replace(composed, question=stage.question(composed.question))
    stored = _stored(check_name(composed.question.name), runs)
    return replace(
        resolve(composed, stored),
        asked=tuple(text for text in asked if not _keys([text]) & _COMMAND),
        asked_in=str(folder),
        after="" if stage is None else stage.after,
    )


def _keys(overrides: list[str]) -> set[str]:
    return {text.partition("=")[0] for text in overrides}


def _stored(name: str, runs: Path) -> Study | None:
    mapping = stored_study(FolderStore(runs / name))
    return None if mapping is None else read_mapping(mapping, runs / name)


def _asked(study: str, overrides: list[str], before: Study | None) -> tuple[list[str], Path]:
    """Study file or name, then overrides, and the folder below which relative paths lie.

    The name of what is stored, `before`, goes on with it as it was asked then; overrides of a
    whole group replace what was given for its keys, and a length replaces one in other words.
    """
    keys = _keys(overrides)
    groups = keys & set(GROUPS)
    if before is None:
        path = study_file(study)
        shipped = path.is_relative_to(studies_folder())
        return [study if shipped else str(path), *overrides], Path.cwd()
    file, *own = before.asked
    replaced = keys | (set(LENGTHS) if keys & set(LENGTHS) else set())
    given = [(text.partition("=")[0], text) for text in own]
    kept = [
        text for key, text in given if key not in replaced and key.partition(".")[0] not in groups
    ]
    return [file, *kept, *overrides], Path(before.asked_in)


def _to_go_on_with(study: str, keys: Set[str], runs: Path) -> Study | None:
    """What is stored under the name `study`; None where a study file is meant."""
    if not study or "/" in study or not (runs / study / "study.yaml").is_file():
        return None
    file = study_names().get(study)
    if file is not None and "name" in keys:  # the file, to be stored under another name
        return None
    before = _stored(study, runs)
    if before is None or (file is not None and study_file(before.asked[0]) != file):
        return None
    return before


def _check_same_question(study: Study, folder: Path) -> None:
    stored = _stored(study.name, folder.parent)
    changes = question_changes(stored, study) if stored else []
    if changes:
        raise StudyError(
            [
                f"{folder}: the stored study asks another question:",
                *(f"  {change}" for change in changes),
                f"  `name={study.name}_2` stores this one beside it, and with `--from {study.name}`"
                " takes over every run that is the same; a larger budget goes on with the one"
                " that is stored",
            ]
        )
