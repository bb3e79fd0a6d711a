"""What a study would cost and could find: counts and formulas, nothing is trained."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selector.config import extras
from selector.config.command_line import OUTSIDE_ARMS
from selector.config.schema import PARTS
from selector.config.technique import Value
from selector.launch.cores import available_cores
from selector.space.cost import flops_per_token, parameters
from selector.space.dimension import Interval
from selector.study.extension import new_trials
from selector.study.followup import everything
from selector.study.power import detectable_difference, smallest_difference, unit_deviation
from selector.study.searches import Searches
from selector.study.start import foresee
from selector.study.stored import StoredStudy, find_study
from selector.study.study import Arm, Study, question_changes
from selector.study.sub_search import promotions
from selector.study.verdict import look_level
from selector.track.run import Outcome, Stage


@dataclass(frozen=True, kw_only=True)
class ArmPlan:
    """What one arm would run up to the first look at the evidence."""

    name: str
    space: dict[str, str]
    """Dotted key -> its range in words."""
    runs: Mapping[str, int]
    """Stage -> runs over all sub-searches; without stages that the study has not."""
    trials: int
    tokens_per_run: int
    """At the arm's own defaults and full length."""
    tokens: int
    """Of all its runs together."""
    parameters: int | None
    """None for a function of the user's."""
    flops: int | None
    """Of all its runs together, by formula."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the whole study would run."""

    study: Study
    arms: tuple[ArmPlan, ...]
    fixed: Mapping[str, Value]
    """What all arms share: group or dotted key -> option or value."""
    more_by_looks: int
    """Further runs, where the first look at the evidence does not settle the question."""
    more_by_extensions: int
    """Further runs, at most, where ranges are extended."""
    estimated_seconds: float | None
    """Of the runs up to the first look; None until runs of this study have been measured."""
    detectable: float | None
    """Smallest difference found in 80 % of studies, in standard deviations between units."""
    detectable_metric: float | None
    """The same in units of the metric, at the noise that is assumed before anything is measured."""
    detectable_first: float | None
    """The same at the first look alone."""
    changes: tuple[str, ...]
    """How what is stored under its name asks another question: `run` will refuse it."""
    missing: tuple[str, ...]
    """What is to be installed here before it can run, and how."""
    start: str
    """What would be taken over with --from, and what not and why; empty without."""

    @property
    def runs(self) -> int:
        """All runs up to the first look."""
        return sum(sum(arm.runs.values()) for arm in self.arms)

    @property
    def tokens(self) -> int:
        """Of all these runs together."""
        return sum(arm.tokens for arm in self.arms)

    @property
    def second_runs(self) -> int | None:
        """Runs of a second stage up to its first look, at most; None where none is asked."""
        if not self.study.then:
            return None
        most = max(sum(arm.runs.values()) for arm in self.arms)
        return most * len(everything(self.study).arms)


def make_plan(study: Study, runs: Path, start: str = "") -> Plan:
    """The plan of a resolved study, which would start from what is called `start`.

    Raises:
        StudyError: there is nothing under that name.
    """
    arms = tuple(_arm_plan(study, arm) for arm in study.arms)
    stored = find_study(study.name, runs)
    changes = question_changes(stored.study, study) if stored else []
    looks = study.looks if len(study.arms) > 1 else study.looks[:1]
    units = [count if study.looks != (1,) else study.verdict_seeds for count in looks]
    detectable = [
        detectable_difference(arms=len(arms), units=count, level=look_level(count, units))
        for count in units
    ]
    each = sum(sum(_runs(study, study.trials_in(arm)).values()) for arm in study.arms)
    return Plan(
        study=study,
        arms=arms,
        fixed=_fixed(study),
        more_by_looks=(looks[-1] - looks[0]) * each,
        more_by_extensions=looks[-1] * sum(_extended(study, arm) for arm in study.arms),
        estimated_seconds=_estimated_seconds(study, stored, arms) if not changes else None,
        changes=tuple(changes),
        missing=_missing(study),
        start=foresee(start, study, runs) if start else "",
        detectable=detectable[-1],
        detectable_metric=_in_metric(study, units),
        detectable_first=detectable[0],
    )


def _missing(study: Study) -> tuple[str, ...]:
    found = [extras.missing(arm.config.optimizer) for arm in study.arms if arm.config.built_in]
    return tuple(dict.fromkeys(filter(None, found)))


def _in_metric(study: Study, units: Sequence[int]) -> float | None:
    """The difference found in units of the metric, for the arm that is hardest to search.

    None where nothing can be decided, and for runs whose noise between seeds is not known.
    """
    if not all(arm.config.built_in for arm in study.arms):
        return None
    deviations = [
        unit_deviation(
            sampler=study.sampler.name,
            dimensions=len(arm.space.dimensions),
            trials=study.trials_in(arm),
            verdict_seeds=study.verdict_seeds,
        )
        for arm in study.arms
    ]
    return smallest_difference(
        arms=len(study.arms),
        units=units[-1],
        deviation=1.0 if study.looks == (1,) else max(deviations),
        level=look_level(units[-1], units),
    )


def _arm_plan(study: Study, arm: Arm) -> ArmPlan:
    each, built_in = _runs(study, study.trials_in(arm)), arm.config.built_in
    runs = {stage: count * study.sub_searches for stage, count in each.items()}
    tokens = sum(count * study.tokens_of(arm, arm.config, stage) for stage, count in runs.items())
    return ArmPlan(
        name=arm.name,
        space={key: str(item) for key, item in arm.space.dimensions.items()},
        runs=runs,
        trials=study.trials_in(arm) * study.sub_searches,
        tokens_per_run=arm.tokens,
        tokens=tokens,
        parameters=parameters(arm.config) if built_in else None,
        flops=flops_per_token(arm.config) * tokens if built_in else None,
    )


def _runs(study: Study, trials: int) -> dict[str, int]:
    """Stage -> runs of one sub-search with so many trials."""
    full = promotions(trials) if study.rungs else trials
    found = {
        Stage.RUNG1: trials if study.rungs else 0,
        Stage.EXPLORE: full,
        Stage.SCREEN: min(study.budget.screen, full) if study.screens else 0,
        Stage.VERDICT: study.verdict_seeds,
    }
    return {str(stage): count for stage, count in found.items() if count}


def _extended(study: Study, arm: Arm) -> int:
    """Further runs of a sub-search, at most, where the ranges of its arm are extended."""
    ranges = any(isinstance(item, Interval) for item in arm.space.dimensions.values())
    if not ranges or study.sampler.name == "grid":
        return 0
    trials = study.trials_in(arm)
    more = trials + study.budget.extensions * new_trials(trials)
    return sum(_runs(study, more).values()) - sum(_runs(study, trials).values())


def _fixed(study: Study) -> dict[str, Value]:
    """Options and values that all arms share, those of the whole study left out."""
    compared = {key for arm in study.arms for key in arm.compared}
    tuned = {key for arm in study.arms for key in arm.space.dimensions}
    built_in = all(arm.config.built_in for arm in study.arms)
    first = study.arms[0].choices
    shown = PARTS if built_in else ("objective",)
    options: dict[str, Value] = {
        part: first[part]
        for part in shown
        if part in first and all(arm.choices.get(part) == first[part] for arm in study.arms)
    }
    if options.get("compute") == "default":
        del options["compute"]
    if options.get("optimizer") == "library":  # it says nothing of what trains
        options["optimizer.algorithm"] = study.arms[0].config.optimizer["algorithm"]
    values = {
        key: value
        for key, value in study.fixed.items()
        if key.partition(".")[0] not in OUTSIDE_ARMS and key not in tuned
    }
    return {key: value for key, value in {**options, **values}.items() if key not in compared}


def _estimated_seconds(
    study: Study, stored: StoredStudy | None, arms: tuple[ArmPlan, ...]
) -> float | None:
    """Seconds per token, as measured, times the tokens left, over the workers; None without any."""
    rates: dict[str, list[float]] = {arm: [rate] for arm, rate in study.pilot.items()}
    for item in stored.record.runs() if stored else ():
        complete = item.result and item.result.outcome is Outcome.COMPLETE
        if item.trial and item.result and complete and item.run.tokens:
            rates.setdefault(item.trial.arm, []).append(item.result.seconds / item.run.tokens)
    if not rates:
        return None
    known = {arm: statistics.median(found) for arm, found in rates.items()}
    other = statistics.median(known.values())
    seconds = sum(arm.tokens * known.get(arm.name, other) for arm in arms)
    workers = 1 if study.launcher.name == "inline" else study.launcher.workers
    width = workers if isinstance(workers, int) else available_cores()
    width = min(width, study.launcher.most_workers or width)
    left = total = sum(sum(arm.runs.values()) for arm in arms)
    if stored:
        searches = Searches(study, stored.record)
        left = searches.total - searches.finished
    return seconds * left / total / width
