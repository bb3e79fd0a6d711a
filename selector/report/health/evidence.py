"""What the checks look at, gathered in one pass over the runs; and what they find."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selector.report.compare import ArmRow, arm_rows
from selector.study.answer import Answer, Finalist
from selector.study.searches import ArmSearch
from selector.study.stored import StoredStudy
from selector.study.study import Arm, Study
from selector.track.record import StoredRun
from selector.track.run import Outcome, Stage

Curve = Sequence[tuple[int, float]]
"""(step, value), in order of steps."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about a study that weakens its answer."""

    check: str
    arm: str
    """Empty where it concerns the whole study."""
    text: str
    remedy: str
    """A command; empty where none helps by itself."""


@dataclass(frozen=True, kw_only=True)
class ArmEvidence:
    """One arm with all of its runs that are over."""

    arm: Arm
    row: ArmRow
    finalists: tuple[Finalist, ...]
    search: ArmSearch
    """Where its searches stand: its space with what was extended, its sub-searches."""
    stages: Mapping[str, Sequence[StoredRun]]
    """Stage -> its runs that are over, in order of trials."""

    judged: Sequence[StoredRun]
    """The completed runs of the finalists: on verdict seeds, else in the search."""

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.arm.name

    @property
    def trials(self) -> Sequence[StoredRun]:
        """The first runs of its trials that are over: short ones where there are rungs."""
        stage = Stage.RUNG1 if self.search.study.rungs else Stage.EXPLORE
        return self.stages.get(stage, ())

    @property
    def over(self) -> list[StoredRun]:
        """The runs of every stage that are over."""
        return [item for runs in self.stages.values() for item in runs]

    @property
    def completed(self) -> list[StoredRun]:
        """The runs of every stage that completed."""
        return [item for item in self.over if outcome_of(item) is Outcome.COMPLETE]

    def values(self) -> list[list[float]]:
        """Values of the trials that completed, for each sub-search that has any."""
        found: dict[int, list[float]] = {}
        for item in self.trials:
            value = value_of(item)
            if item.trial and value is not None:
                found.setdefault(item.trial.sub_search, []).append(value)
        return list(found.values())


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A study with everything that the checks read."""

    stored: StoredStudy
    answer: Answer
    arms: tuple[ArmEvidence, ...]
    _curves: dict[str, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)

    @property
    def study(self) -> Study:
        """The study."""
        return self.stored.study

    @property
    def margin(self) -> float | None:
        """What counts as practically equal; None before anything completed."""
        return self.answer.verdict.margin if self.answer.verdict else None

    def curve(self, item: StoredRun, metric: str) -> Curve:
        """What a run reported of one metric; its file is read once, whatever the checks ask."""
        key = item.run.key
        if key not in self._curves:
            columns: dict[str, list[tuple[int, float]]] = {}
            for point in self.stored.record.curve(key):
                step = int(point["step"])
                for name, value in point.items():
                    if name != "step":
                        columns.setdefault(name, []).append((step, value))
            self._curves[key] = columns
        return self._curves[key].get(metric, ())


def gather(stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow] | None = None) -> Evidence:
    """The evidence of a study, in one pass over its runs; `rows` where they are known already."""
    study = stored.study
    stages: dict[str, dict[str, list[StoredRun]]] = {arm.name: {} for arm in study.arms}
    for item in stored.record.runs():
        if item.trial and item.result and item.trial.arm in stages:
            stages[item.trial.arm].setdefault(item.run.stage, []).append(item)
    by_name = {row.name: row for row in (arm_rows(stored, answer) if rows is None else rows)}
    arms = []
    for arm in study.arms:
        finalists = tuple(item for item in answer.finalists if item.arm == arm.name)
        arms.append(
            ArmEvidence(
                arm=arm,
                row=by_name[arm.name],
                finalists=finalists,
                search=answer.searches.arms[arm.name],
                stages=stages[arm.name],
                judged=tuple(_judged(finalists, stages[arm.name])),
            )
        )
    return Evidence(stored=stored, answer=answer, arms=tuple(arms))


def _judged(
    finalists: Sequence[Finalist], stages: Mapping[str, Sequence[StoredRun]]
) -> Iterator[StoredRun]:
    own: dict[tuple[int, str], list[StoredRun]] = {}
    for stage in (Stage.VERDICT, Stage.EXPLORE):
        for item in stages.get(stage, ()):
            if item.trial and value_of(item) is not None:
                own.setdefault((item.trial.number, stage), []).append(item)
    for number in sorted({finalist.trial.number for finalist in finalists}):
        yield from own.get((number, Stage.VERDICT)) or own.get((number, Stage.EXPLORE)) or ()


def outcome_of(item: StoredRun) -> Outcome | None:
    """How a run ended; None while it is not over."""
    return item.result.outcome if item.result else None


def value_of(item: StoredRun) -> float | None:
    """A run's value of the study's metric; None where it did not complete."""
    return item.result.value if item.result else None


def median_of(values: Sequence[float]) -> float | None:
    """Their median; None of none."""
    return statistics.median(values) if values else None
