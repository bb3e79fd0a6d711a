"""A recommendation -> the same run again -> it agrees, or how it differs; and single runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selector.config.identity import plain, run_fingerprint
from selector.config.schema import Data, RunConfig
from selector.config.single import Single, compose_single
from selector.errors import ConfigError, RunFailed, StudyError
from selector.launch.single import folder_for, run_one
from selector.space.length import run_tokens
from selector.study.answer import answer, first_run
from selector.study.conduct import DATA_FOLDER, training_tokens
from selector.study.replays import with_table
from selector.study.schedules import length_mistakes
from selector.study.step_sizes import full_batch_mistakes
from selector.study.stored import StoredStudy
from selector.study.trunks import Trunk, check_trunk_for, continued
from selector.track.record import Record, StoredRun
from selector.track.run import Outcome, Result, Run, Stage, Trial
from selector.track.store import FolderStore
from selector.track.tracker import Origin, Tracker

#: Reported beside the losses, but not a result: they change from run to run.
_TIMINGS = ("tokens_per_second", "model_flop_utilization", "seconds")
#: What must be equal for a curve to come back bit for bit.
_SAME_PLACE = ("device", "width", "threads", "torch")

Watch = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A run made again, and how it compares with the first."""

    run: Run
    result: Result
    first: StoredRun | None
    """The run it repeats; None for a single run."""
    agrees: bool | None
    """None where there is nothing to compare with."""
    text: str
    """The comparison in words; empty for a single run."""


def rerun(
    stored: StoredStudy,
    tracker: Tracker,
    *,
    trial_number: int | None = None,
    overrides: Sequence[str] = (),
    on_report: Watch = lambda step, metrics: None,
    on_notice: Callable[[str], None] = lambda text: None,
    interrupted: Callable[[], int] = lambda: 0,
) -> Rerun:
    """Train the recommended trial, or that one, again and compare it with its first verdict run.

    Raises:
        StudyError: there is no such trial, or none that finished.
        RunFailed: the run did not complete.
    """
    trial = _trial(stored, trial_number)
    first = _first_run(stored, trial)
    if any(text.partition(".")[0].partition("=")[0] == "tracker" for text in overrides):
        raise ConfigError("tracker: a rerun is mirrored where its study is")
    asked = compose_single(
        {
            **plain(trial.config),
            "budget": {"tokens": first.run.tokens},
            "origin": {"seed": first.run.seed},
        },
        overrides,
    )
    runs = stored.folder.parent
    config = prepared(asked.config, runs)
    before, now = first.run.config.data, config.data
    if before.fingerprint != now.fingerprint and _same_source(before, now):
        on_notice(data_changed(before.fingerprint, now))
    _notice_other_table(first.run.config, config, on_notice)
    tokens = _tokens(asked, config, runs)
    run = Run(
        key="",
        config=config,
        stage=Stage.RERUN,
        seed=asked.seed,
        tokens=tokens,
        data_folder=runs / DATA_FOLDER,
    )
    run = replace(run, key=f"reruns/{folder_for(stored.folder / 'reruns', run).name}")
    tags = {"origin": first.run.key, "origin_fingerprint": trial.fingerprint}
    origin = Origin(study=stored.study.name, arm=trial.arm, trial=trial, tags=tags)
    result = run_one(
        run,
        stored.record,
        tracker,
        origin,
        launch=asked.launcher,
        on_report=on_report,
        interrupted=interrupted,
    )
    refuse_failure(result)
    agrees, text = _compare(stored, first, run, result)
    return Rerun(run=run, result=result, first=first, agrees=agrees, text=text)


def train(
    single: Single,
    runs: Path,
    tracker: Tracker,
    *,
    trunk_for: int = 0,
    trunk: Trunk | None = None,
    on_report: Watch = lambda step, metrics: None,
    on_notice: Callable[[str], None] = lambda text: None,
    interrupted: Callable[[], int] = lambda: 0,
) -> Rerun:
    """One run of one configuration: of a recommended.yaml, or of `conf/`, under overrides.

    With `trunk_for` it keeps its trunk for a run of that many tokens; with `trunk` it starts there.

    Raises:
        InputError: every mistake in the data.
        RunFailed: the run did not complete.
    """
    known = single.config.data
    config = prepared(single.config, runs)
    stored_data = known.fingerprint not in ("", config.data.fingerprint)
    if stored_data and known == replace(config.data, fingerprint=known.fingerprint):
        on_notice(data_changed(known.fingerprint, config.data))
    _notice_other_table(single.config, config, on_notice)
    tokens = _tokens(single, config, runs)
    if trunk is not None:
        config = continued(trunk, config, single.seed, tokens)
    if trunk_for:
        check_trunk_for(config, tokens, trunk_for)
    run = Run(
        key="",
        config=config,
        stage=Stage.SINGLE,
        seed=single.seed,
        tokens=tokens,
        data_folder=runs / DATA_FOLDER,
        trunk_for=trunk_for,
        branch=trunk.folder if trunk else None,
    )
    folder = folder_for(runs / "_single", run)
    run = replace(run, key=folder.name)
    tags = {f"origin.{key}": str(value) for key, value in single.origin.items()}
    result = run_one(
        run,
        Record(FolderStore(folder.parent)),
        tracker,
        Origin(study="_single", tags=tags),
        launch=single.launcher,
        on_report=on_report,
        interrupted=interrupted,
    )
    refuse_failure(result)
    return Rerun(run=run, result=result, first=None, agrees=None, text="")


def prepared(config: RunConfig, runs: Path) -> RunConfig:
    """The configuration with its data read and named by its fingerprint.

    Raises:
        InputError: every mistake in the data or table, or a function or a library that cannot be
            imported.
    """
    if config.objective.kind == "replay":
        return with_table(config)
    from selector.launch.function import check
    from selector.launch.usable import refuse_unusable
    from selector.train.data.prepare import prepare

    if not config.built_in:
        check(config)
        return config
    refuse_unusable(config)
    data = prepare(config.data, runs / DATA_FOLDER, context=config.batch.context)
    return replace(config, data=data)


def _tokens(single: Single, config: RunConfig, runs: Path) -> int:
    """The length of a single run, once its data is prepared."""
    there = training_tokens(config, runs / DATA_FOLDER)
    tokens = run_tokens(single.length, config, there)
    if mistakes := [*length_mistakes(config, tokens), *full_batch_mistakes(config, there)]:
        raise ConfigError(mistakes)
    return tokens


def refuse_failure(result: Result) -> None:
    """Raise RunFailed unless the run completed."""
    if result.outcome is not Outcome.COMPLETE:
        raise RunFailed(f"the run ended as {result.outcome}: {result.error}", result.outcome)


def _same_source(before: Data, now: Data) -> bool:
    return (before.source, before.paths, before.tokenizer) == (
        now.source,
        now.paths,
        now.tokenizer,
    )


def data_changed(known: str, data: Data) -> str:
    """The warning that the text is not what it was."""
    return (
        f"The data differs: it was {known}, now {data.fingerprint} (the standard library differs"
        " between Python versions; files may have changed). Numbers of different texts are not"
        " compared."
    )


def _notice_other_table(
    before: RunConfig, now: RunConfig, on_notice: Callable[[str], None]
) -> None:
    """Say that a replay's table is not what it was."""
    known, found = before.objective.fingerprint, now.objective.fingerprint
    if known not in ("", found):
        on_notice(
            f"The table {now.objective.table} differs: its content was {known}, now {found}."
            " Numbers of different tables are not compared."
        )


def _trial(stored: StoredStudy, number: int | None) -> Trial:
    if number is None:
        trial = answer(stored.study, stored.record).recommended
        if trial is None:
            raise StudyError(
                f"{stored.folder}: nothing is recommended yet: no verdict run completed;"
                f" `selector run {stored.study.name}` goes on"
            )
        return trial
    if number not in stored.record.trials:
        raise StudyError(
            f"--trial {number}: {stored.folder} has trials 1 to {len(stored.record.trials)}"
        )
    return stored.record.trials[number]


def _first_run(stored: StoredStudy, trial: Trial) -> StoredRun:
    first = first_run(stored.record, trial)
    if first is None:
        raise StudyError(f"trial {trial.number} has no finished run to compare with")
    return first


def _compare(
    stored: StoredStudy, first: StoredRun, run: Run, result: Result
) -> tuple[bool | None, str]:
    """Whether the curve came back, and the sentence that says so."""
    old, study = first.result, stored.study
    assert old is not None
    if _computation(first.run) == _computation(replace(run, config=_on_same_data(first.run, run))):
        if first.run.config.data.fingerprint != run.config.data.fingerprint:
            return None, data_changed(first.run.config.data.fingerprint, run.config.data)
    else:
        return None, (
            f"Another configuration, length or seed was trained: {study.metric}"
            f" {_show(result.value)} against {_show(old.value)} of the first."
        )
    was = _results_only(stored.record.curve(first.run.key))
    now = _results_only(stored.record.curve(run.key))
    if was == now:
        return True, (
            f"The curve came back bit for bit: {study.metric} {_show(result.value)}, {len(now)}"
            " reported points equal."
        )
    if old.value is None or result.value is None:
        return None, f"The first run ended as {old.outcome}; there is no value to compare with."
    places = [
        f"{key} {old.facts.get(key)} then, {result.facts.get(key)} now"
        for key in _SAME_PLACE
        if old.facts.get(key) != result.facts.get(key)
    ]
    reason = "; ".join(places) or "although width, threads, device and torch are the same"
    difference = abs(result.value - old.value)
    spread = _seed_spread(stored)
    text = (
        f"The curve differs ({reason}): {study.metric} {_show(result.value)} against"
        f" {_show(old.value)}, a difference of {difference:.2g}"
    )
    if spread is None:
        return None, f"{text}; the spread between seeds is not known."
    agrees = difference <= 2 * spread
    side = "within" if agrees else "more than"
    return agrees, f"{text}, {side} twice the spread between seeds ({spread:.2g})."


def _on_same_data(first: Run, run: Run) -> RunConfig:
    return replace(run.config, data=first.config.data)


def _computation(run: Run) -> str:
    """What a run computes, whatever it is made for."""
    return run_fingerprint(run.config, seed=run.seed, stage="", tokens=run.tokens)


def _results_only(curve: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: row[key] for key in row if key not in _TIMINGS} for row in curve]


def _seed_spread(stored: StoredStudy) -> float | None:
    """Standard deviation between a finalist's verdict seeds, pooled over finalists."""
    groups = [
        finalist.confirmed
        for finalist in answer(stored.study, stored.record).finalists
        if len(finalist.confirmed) > 1
    ]
    if not groups:
        return None
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(statistics.variance(group) * (len(group) - 1) for group in groups)
    return float((squares / freedom) ** 0.5)


def _show(value: float | None) -> str:
    return "none" if value is None else f"{value:.5g}"
