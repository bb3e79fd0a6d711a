"""What a study would cost and could find: counts and formulas, nothing is trained."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from selector.launch.cores import available_cores
from selector.space.cost import flops_per_token, parameters
from selector.study.agenda import Agenda
from selector.study.power import detectable_difference
from selector.study.stored import StoredStudy, find_study
from selector.study.study import Study, question_changes
from selector.track.run import Outcome


@dataclass(frozen=True, kw_only=True)
class ArmPlan:
    """What one arm would run."""

    name: str
    space: dict[str, str]
    """Dotted key -> its range in words."""
    explore_runs: int
    verdict_runs: int
    parameters: int | None
    """None for a function of the user's."""
    flops: int | None
    """Of all its runs together, by formula."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the whole study would run."""

    study: Study
    arms: tuple[ArmPlan, ...]
    tokens: int
    """Of all runs together."""
    estimated_seconds: float | None
    """None until runs of this study have been measured."""
    detectable: float | None
    """Smallest difference found in 80 % of studies, in standard deviations between units."""
    changes: tuple[str, ...]
    """How what is stored under its name asks another question: `run` will refuse it."""

    @property
    def runs(self) -> int:
        """All runs."""
        return sum(arm.explore_runs + arm.verdict_runs for arm in self.arms)


def make_plan(study: Study, runs: Path) -> Plan:
    """The plan of a resolved study."""
    arms = tuple(_arm_plan(study, index) for index in range(len(study.arms)))
    total = sum(arm.explore_runs + arm.verdict_runs for arm in arms)
    stored = find_study(study.name, runs)
    changes = question_changes(stored.study, study) if stored else []
    return Plan(
        study=study,
        arms=arms,
        tokens=total * study.budget.tokens,
        estimated_seconds=_estimated_seconds(study, stored, total) if not changes else None,
        changes=tuple(changes),
        detectable=detectable_difference(
            arms=len(arms),
            units=study.sub_searches if study.sub_searches > 1 else study.verdict_seeds,
        ),
    )


def _arm_plan(study: Study, index: int) -> ArmPlan:
    arm = study.arms[index]
    explore = study.trials_in(arm) * study.sub_searches
    verdict = study.sub_searches * study.verdict_seeds
    built_in = arm.config.built_in
    tokens = (explore + verdict) * study.budget.tokens
    return ArmPlan(
        name=arm.name,
        space={key: str(item) for key, item in arm.space.dimensions.items()},
        explore_runs=explore,
        verdict_runs=verdict,
        parameters=parameters(arm.config) if built_in else None,
        flops=flops_per_token(arm.config) * tokens if built_in else None,
    )


def _estimated_seconds(study: Study, stored: StoredStudy | None, total: int) -> float | None:
    """Runs left times the median measured time, over the workers; None before one was measured."""
    results = [item.result for item in stored.record.runs() if item.result] if stored else []
    seconds = [item.seconds for item in results if item.outcome is Outcome.COMPLETE]
    if not seconds:
        return None
    workers = 1 if study.launcher.name == "inline" else study.launcher.workers
    width = workers if isinstance(workers, int) else available_cores()
    over = Agenda(stored.study, stored.record, again=()).finished if stored else 0
    return statistics.median(seconds) * max(0, total - over) / width
