"""Quality against cost, in numbers: which arms and trials nothing else beats in both.

Arms are compared by their finalists on fresh seeds. Trials of the search have one run each, and the
best of many noisy runs looks better than it is: their front is given with that said. Runs of
unlike length are never put on one front, because each further token buys quality and costs time.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.report.digits import decimals_for, estimate
from selector.report.trade import amount, trade
from selector.study.answer import Answer
from selector.study.constraints import Constraint, measured, meets
from selector.study.contrast import Contrast, contrast
from selector.study.stored import StoredStudy
from selector.track.record import StoredRun
from selector.track.run import Outcome, Stage

#: Costs that have no noise: one value of them is enough.
_EXACT = ("parameters", "flops", "steps")


@dataclass(frozen=True, kw_only=True)
class ArmCost:
    """One arm: its value and its cost on fresh seeds, each with its interval."""

    arm: str
    value: Contrast
    cost: Contrast
    front: bool
    """Whether no other arm is at least as good and as cheap, and better in one of them."""
    words: str
    """How it stands against the others, with intervals where noise matters."""


@dataclass(frozen=True, kw_only=True)
class TrialCost:
    """One trial of the search."""

    trial: int
    arm: str
    stage: str
    """Trials of one stage have one length; a front holds one stage only."""
    value: float
    cost: float
    finalist: bool
    front: bool


@dataclass(frozen=True, kw_only=True)
class Pareto:
    """Quality against one cost."""

    cost: str
    arms: tuple[ArmCost, ...]
    trials: tuple[TrialCost, ...]
    left_out: int
    """Trials that do not meet a constraint of the study."""
    missing: int
    """Completed runs that have no such cost."""


def pareto(stored: StoredStudy, answer: Answer) -> tuple[Pareto, ...]:
    """One for each cost that the study asks about."""
    return tuple(_pareto(stored, answer, name) for name in stored.study.pareto)


def to_mapping(found: Sequence[Pareto]) -> dict[str, Any] | None:
    """The plain form for recommendation.json: the arms, and of the trials only the fronts."""
    if not found:
        return None
    return {
        item.cost: {
            "arms": [
                {
                    "name": arm.arm,
                    "value": vars(arm.value),
                    "cost": vars(arm.cost),
                    "front": arm.front,
                    "words": arm.words,
                }
                for arm in item.arms
            ],
            "front": [
                {key: value for key, value in vars(trial).items() if key != "front"}
                for trial in item.trials
                if trial.front
            ],
            "left_out": item.left_out,
            "missing": item.missing,
        }
        for item in found
    }


def lines(found: Pareto) -> list[dict[str, Any]]:
    """The arms as text, those on the front first, then by cost."""
    values = [(arm.value.value, arm.value.low, arm.value.high) for arm in found.arms]
    costs = [(arm.cost.value, arm.cost.low, arm.cost.high) for arm in found.arms]
    places = decimals_for(values) if values else 0
    ordered = sorted(found.arms, key=lambda arm: (not arm.front, arm.cost.value))
    return [
        {
            "name": arm.arm,
            "value": estimate(arm.value.value, arm.value.low, arm.value.high, places),
            "cost": amount(found.cost, arm.cost, decimals_for(costs)),
            "front": arm.front,
            "words": arm.words,
        }
        for arm in ordered
    ]


def lonely(found: Pareto) -> int:
    """Trials on the front of the search that no fresh seed has confirmed."""
    return sum(
        item.front and not item.finalist for item in found.trials if item.stage == Stage.EXPLORE
    )


def on_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether no other point is at most as large in both coordinates and smaller in one."""
    order = sorted(range(len(points)), key=lambda place: points[place])
    found = [False] * len(points)
    lowest = math.inf
    previous: tuple[float, float] | None = None
    for place in order:
        if points[place][1] < lowest or points[place] == previous:
            found[place] = True
            lowest, previous = points[place][1], points[place]
    return found


def _pareto(stored: StoredStudy, answer: Answer, name: str) -> Pareto:
    constraints = stored.study.constraints
    finalists = {item.trial.number for item in answer.finalists}
    trials: list[TrialCost] = []
    left_out = missing = 0
    for stage in (Stage.EXPLORE, Stage.RUNG1):
        runs = [item for item in stored.record.runs(stage) if _completed(item)]
        kept = [item for item in runs if _meets(constraints, item)]
        known = [(item, cost) for item in kept if (cost := _cost(item, name)) is not None]
        left_out += len(runs) - len(kept)
        missing += len(kept) - len(known)
        trials += _trials(known, stage, finalists, minimize=stored.study.minimize)
    return Pareto(
        cost=name,
        arms=tuple(_arms(stored, answer, name)),
        trials=tuple(trials),
        left_out=left_out,
        missing=missing,
    )


def _trials(
    runs: Sequence[tuple[StoredRun, float]], stage: str, finalists: set[int], *, minimize: bool
) -> list[TrialCost]:
    """The runs of one stage, each with its cost, and their front."""
    sign = 1.0 if minimize else -1.0
    known = [
        (item.trial, cost, item.result.value)
        for item, cost in runs
        if item.trial and item.result and item.result.value is not None
    ]
    fronts = on_front([(cost, sign * value) for _, cost, value in known])
    return [
        TrialCost(
            trial=trial.number,
            arm=trial.arm,
            stage=str(stage),
            value=value,
            cost=cost,
            finalist=trial.number in finalists,
            front=front,
        )
        for (trial, cost, value), front in zip(known, fronts, strict=True)
    ]


def _arms(stored: StoredStudy, answer: Answer, name: str) -> list[ArmCost]:
    """The arms with verdict runs that have such a cost, in the study's order."""
    verdict = answer.verdict
    if verdict is None:
        return []
    values = {arm: item.values for arm, item in verdict.estimates.items()}
    costs = {arm: _unit_costs(stored, answer, arm, name) for arm in values}
    values = {arm: item for arm, item in values.items() if costs[arm]}
    if not values:
        return []
    sign = 1.0 if stored.study.minimize else -1.0
    own = {arm: contrast({arm: 1.0}, values) for arm in values}
    spent = {arm: contrast({arm: 1.0}, {arm: costs[arm]}) for arm in values}
    fronts = on_front([(spent[arm].value, sign * own[arm].value) for arm in values])
    best = min(values, key=lambda arm: (sign * own[arm].value, spent[arm].value))
    found = []
    for arm, front in zip(values, fronts, strict=True):
        words = "has the best value"
        if arm != best:
            lead = contrast({arm: sign, best: -sign}, values)
            share = _share(costs[arm], costs[best], exact=name in _EXACT)
            words = trade(name, best, lead, share, verdict.margin)
        if not front and not words.startswith(best):
            above = next(other for other in values if _covers(other, arm, own, spent, sign))
            words += f"; {above} is at least as good and as cheap in the mean"
        found.append(ArmCost(arm=arm, value=own[arm], cost=spent[arm], front=front, words=words))
    return found


def _covers(
    other: str,
    arm: str,
    values: Mapping[str, Contrast],
    costs: Mapping[str, Contrast],
    sign: float,
) -> bool:
    """Whether `other` keeps `arm` off the front, by their means."""
    one, two = ((costs[name].value, sign * values[name].value) for name in (other, arm))
    return one != two and one[0] <= two[0] and one[1] <= two[1]


def _share(costs: Sequence[float], of: Sequence[float], *, exact: bool) -> Contrast:
    """How much more `costs` are than `of`, as a share with its interval; below 0 they are less."""
    if min(*costs, *of) <= 0:
        mean = statistics.fmean(of)
        share = (statistics.fmean(costs) - mean) / mean if mean else 0.0
        return Contrast(value=share, low=None, high=None)
    logs = {0: [math.log(value) for value in costs], 1: [math.log(value) for value in of]}
    found = contrast({0: 1.0, 1: -1.0}, logs)
    ends = (found.value, found.value) if exact and found.low is None else (found.low, found.high)
    low, high = (None if end is None else math.expm1(end) for end in ends)
    return Contrast(value=math.expm1(found.value), low=low, high=high)


def _unit_costs(stored: StoredStudy, answer: Answer, arm: str, name: str) -> list[float]:
    """The cost of each unit of the verdict: a finalist's mean over its seeds, or a seed's."""
    found: list[list[float]] = []
    for item in answer.finalists:
        if item.arm == arm and item.confirmed:
            costs = [
                cost
                for run in stored.record.runs(Stage.VERDICT)
                if run.trial and run.trial.number == item.trial.number and _completed(run)
                if _meets(stored.study.constraints, run)
                if (cost := _cost(run, name)) is not None
            ]
            found.append(costs)
    if answer.verdict is not None and answer.verdict.unit == "seed":
        return found[0] if found else []
    return [statistics.fmean(costs) for costs in found if costs]


def _completed(item: StoredRun) -> bool:
    result = item.result
    return result is not None and result.outcome is Outcome.COMPLETE and result.value is not None


def _cost(item: StoredRun, name: str) -> float | None:
    found = None if item.result is None else measured(item.result, item.run).get(name)
    return found if found is not None and math.isfinite(found) else None


def _meets(constraints: Sequence[Constraint], item: StoredRun) -> bool:
    return item.result is not None and meets(constraints, item.result, item.run)
