"""Ladders: the arms of a study that differ in nothing but model size and length of training."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy

from selector.config.arms import arm_name
from selector.config.identity import plain
from selector.config.technique import Value
from selector.report.isoflop import Budget
from selector.space.cost import (
    flops_per_token,
    non_embedding_parameters,
    parameters,
    product_weights,
)
from selector.study.study import Arm, Study
from selector.study.verdict import Verdict
from selector.track.run import Stage

#: What makes a model larger and a run longer, among what a study compares.
_LENGTHS = ("budget.tokens", "budget.epochs", "budget.flops")
_SHAPE = ("depth", "width", "heads")
_SIZE_OR_LENGTH = ("model", *(f"model.{name}" for name in _SHAPE), *_LENGTHS)
#: Runs whose FLOPs differ by less than this share count as equal: tokens come in whole steps.
_EQUAL_FLOPS = 0.05


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One size and length."""

    arm: Arm
    size: int
    """N: weights of matrix products, the output projection included."""
    parameters: int
    """All trained values."""
    non_embedding: int
    """Those outside the tables and the output projection."""
    tokens: int
    """D: training tokens of a run."""
    flops: int
    """Floating-point operations of a run, by formula."""
    values: tuple[float, ...]
    """The metric on fresh seeds, one for each unit of the verdict; empty where none is known."""
    low: float | None
    high: float | None
    """Ends of the mean's 95 % interval."""

    @property
    def loss(self) -> float | None:
        """The metric: the mean of the units."""
        return statistics.fmean(self.values) if self.values else None


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Rungs in order of size, then length."""

    name: str
    """What else its arms share of what is compared, such as an optimizer; empty: nothing."""
    rungs: tuple[Rung, ...]

    @property
    def known(self) -> tuple[Rung, ...]:
        """The rungs with a value."""
        return tuple(rung for rung in self.rungs if rung.values)

    def noise(self) -> tuple[float | None, int]:
        """Standard deviation of a rung's mean, pooled over the rungs, with degrees of freedom."""
        freedom = sum(len(rung.values) - 1 for rung in self.known)
        if freedom < 1:
            return None, 0
        squares = [
            (value - statistics.fmean(rung.values)) ** 2
            for rung in self.known
            for value in rung.values
        ]
        share = statistics.fmean(1 / len(rung.values) for rung in self.known)
        return math.sqrt(math.fsum(squares) / freedom * share), freedom

    def cost(self) -> tuple[float, float]:
        """(c, g): FLOPs per token as c * N^g, a power law through the rungs' sizes.

        By the formula a token costs 6 N and what attention adds, whose share falls with width.
        """
        each = {rung.size: rung.flops / rung.tokens for rung in self.rungs}
        if len(each) < 2:
            ((size, flops),) = each.items()
            return flops / size, 1.0
        slope, level = numpy.polyfit(numpy.log(list(each)), numpy.log(list(each.values())), 1)
        return float(math.exp(level)), float(slope)

    def budgets(self) -> list[Budget]:
        """The rungs with a value, by equal FLOPs."""
        found: list[list[Rung]] = []
        for rung in sorted(self.known, key=lambda rung: rung.flops):
            if found and equal_flops(rung.flops, found[-1][0].flops):
                found[-1].append(rung)
            else:
                found.append([rung])
        return [
            Budget(
                flops=statistics.geometric_mean([rung.flops for rung in group]),
                sizes=tuple(float(rung.size) for rung in group),
                losses=tuple(rung.loss for rung in group if rung.loss is not None),
            )
            for group in found
        ]


def equal_flops(first: float, second: float) -> bool:
    """Whether two runs count as equally expensive."""
    return abs(first - second) <= _EQUAL_FLOPS * min(first, second)


def ladders(study: Study, verdict: Verdict | None) -> tuple[Ladder, ...]:
    """Every group of arms with at least two sizes or lengths; empty for an ordinary study."""
    groups: dict[str, list[Arm]] = {}
    for arm in study.arms:
        if arm.config.built_in:
            groups.setdefault(repr(_others(arm)), []).append(arm)
    found = []
    for arms in groups.values():
        rungs = sorted(
            (_rung(study, verdict, arm) for arm in arms), key=lambda rung: (rung.size, rung.tokens)
        )
        places = {(rung.size, rung.tokens) for rung in rungs}
        if len(places) == len(rungs) > 1:
            rest = _rest(arms[0])
            found.append(Ladder(name=arm_name(rest) if rest else "", rungs=tuple(rungs)))
    return tuple(found)


def _others(arm: Arm) -> dict[str, object]:
    """What an arm is beside its size and length."""
    model = plain(arm.config.model)
    same = {key: model[key] for key in sorted(model) if key not in ("name", *_SHAPE)}
    return {"model": same, **_rest(arm)}


def _rest(arm: Arm) -> dict[str, Value]:
    """What of an arm is compared beside its size and length."""
    return {key: arm.compared[key] for key in arm.compared if key not in _SIZE_OR_LENGTH}


def _rung(study: Study, verdict: Verdict | None, arm: Arm) -> Rung:
    estimate = verdict.estimates.get(arm.name) if verdict else None
    tokens = study.tokens_of(arm, arm.config, Stage.VERDICT)
    return Rung(
        arm=arm,
        size=product_weights(arm.config),
        parameters=parameters(arm.config),
        non_embedding=non_embedding_parameters(arm.config),
        tokens=tokens,
        flops=tokens * flops_per_token(arm.config),
        values=estimate.values if estimate else (),
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
    )
