"""The verdict about techniques: a winner, a tie, or not enough evidence. Statistics only.

The unit is the sub-search: an arm's value is the mean over its sub-searches of their finalists'
mean on fresh seeds. One finalist per arm with a test over seeds would call identical techniques
different far too often, because most of the variance is the luck of the search. With one
sub-search per arm the unit is the seed, and the claim is about configurations.

The best arm wins if it beats every rival at a two-sided t of 5 % with k(R - 1) degrees of freedom,
with the larger of the variances pooled over all arms and over the pair, and by more than the
margin of practical equality. Demanding a win over *every* rival is an intersection-union test
(Berger 1982, Technometrics 24:295), which needs no correction for the number of rivals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import stdtrit

LEVEL = 0.05
#: Levels of the first of two looks and of the last: together they call identical techniques
#: different in at most 5 % of studies.
_FIRST_LOOK, _LAST_LOOK = 0.0056, 0.0475
#: Normal quantiles for a two-sided 5 % test with 80 % power, the usual planning values.
_POWER_FACTOR = (1.959964 + 0.841621) ** 2


class VerdictState(StrEnum):
    """What the evidence allows to say."""

    WINNER = "winner"
    TIE = "tie"
    INSUFFICIENT = "insufficient_evidence"


class Relation(StrEnum):
    """How a rival stands against the best arm."""

    BEATEN = "beaten"
    EQUAL = "equal"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one arm, from its verdict runs."""

    values: tuple[float, ...]
    """One for each unit: a sub-search's mean over its verdict seeds, or a seed's value."""
    cost: float
    """Median seconds of its runs; the cheapest arm is recommended in a tie."""
    barred: str = ""
    """Why it cannot win, such as a verdict run that diverged; empty: it can."""
    failed: bool = False
    """Whether it has no value because whatever was tried diverged or did not fit."""
    edge: str = ""
    """Where its best settings sit at the edge of a range: it may not have been tuned well."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An arm's value with its 95 % interval; low and high are None where noise is not known."""

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The best arm against one rival; a positive lead means that the best arm is better."""

    rival: str
    lead: float
    low: float | None
    high: float | None
    relation: Relation
    reason: str
    """Why the relation is not clearer, in words; empty where it is clear."""
    units_needed: int | None
    """Units per arm with which a lead of this size would be found in 80 % of studies."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer, and what it rests on."""

    state: VerdictState | None
    """None where only one arm was studied."""
    best: str
    """The arm with the best estimate."""
    recommended: str
    """The arm to use: the best, or the cheapest of those that are practically equal."""
    unit: str
    """sub-search or seed."""
    estimates: Mapping[str, Estimate]
    comparisons: tuple[Comparison, ...]
    margin: float
    """Differences up to this size count as practically equal."""
    reasons: tuple[str, ...]
    """Why the verdict is not clearer."""


def decide(
    arms: Mapping[str, Evidence],
    *,
    minimize: bool,
    margin: float,
    unit: str,
    level: float = LEVEL,
) -> Verdict | None:
    """The verdict over `arms` at two-sided `level`; None where no arm has a value.

    Arms without values are left out of the comparison: those in which nothing trains are beaten,
    the others stand in the way of a verdict.
    """
    sign = 1.0 if minimize else -1.0
    known = {name: arm for name, arm in arms.items() if arm.values}
    if not known:
        return None
    means = {name: _mean(arm.values) for name, arm in known.items()}
    best = min(means, key=lambda name: sign * means[name])
    freedom = sum(len(arm.values) - 1 for arm in known.values())
    pooled = _variance(known.values(), freedom)
    estimates = {
        name: _estimate(arm.values, means[name], freedom, pooled) for name, arm in known.items()
    }
    comparisons = tuple(
        _compare(known[best], arm, name, sign, freedom, pooled, margin, level)
        for name, arm in known.items()
        if name != best
    )
    reasons = [
        f"{name} has no verdict run that completed"
        for name, arm in arms.items()
        if name not in known and not arm.failed
    ]
    if known[best].barred:
        reasons.append(f"{best} cannot win: {known[best].barred}")
    reasons += [item.reason for item in comparisons if item.reason]
    recommended = best
    state: VerdictState | None
    if len(arms) == 1:
        state = None
    elif reasons or any(item.relation is Relation.UNCLEAR for item in comparisons):
        state = VerdictState.INSUFFICIENT
    elif all(item.relation is Relation.BEATEN for item in comparisons):
        state = VerdictState.WINNER
    else:
        state = VerdictState.TIE
        equal = [
            item.rival
            for item in comparisons
            if item.relation is Relation.EQUAL and not known[item.rival].barred
        ]
        recommended = min([best, *equal], key=lambda name: known[name].cost)
    return Verdict(
        state=state,
        best=best,
        recommended=recommended,
        unit=unit,
        estimates=estimates,
        comparisons=comparisons,
        margin=margin,
        reasons=tuple(reasons),
    )


def look_level(units: int, looks: Sequence[int]) -> float:
    """The two-sided level at a look with `units` units an arm, of those that `looks` plans."""
    if len(looks) == 1:
        return LEVEL
    return _FIRST_LOOK if units <= looks[0] else _LAST_LOOK


def margin_of(baseline: float, *, absolute: float, share: float) -> float:
    """Margin of practical equality: the larger of an absolute one and a share of the baseline."""
    return max(absolute, share * abs(baseline))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(arms: Iterable[Evidence], freedom: int) -> float | None:
    """Variance within arms, pooled; None where no arm has two values."""
    if freedom < 1:
        return None
    squares = [(value - _mean(arm.values)) ** 2 for arm in arms for value in arm.values]
    return math.fsum(squares) / freedom


def _estimate(
    values: tuple[float, ...], mean: float, freedom: int, pooled: float | None
) -> Estimate:
    if pooled is None:
        return Estimate(mean=mean, low=None, high=None, values=values)
    own = len(values) - 1
    variance = max(pooled, _variance([Evidence(values=values, cost=0)], own) or 0.0)
    half = float(stdtrit(freedom, 1 - LEVEL / 2)) * math.sqrt(variance / len(values))
    return Estimate(mean=mean, low=mean - half, high=mean + half, values=values)


def _compare(
    best: Evidence,
    rival: Evidence,
    name: str,
    sign: float,
    freedom: int,
    pooled: float | None,
    margin: float,
    level: float,
) -> Comparison:
    lead = sign * (_mean(rival.values) - _mean(best.values))
    if pooled is None:
        return Comparison(
            rival=name,
            lead=lead,
            low=None,
            high=None,
            relation=Relation.UNCLEAR,
            reason="each arm has one value, so the noise is not known",
            units_needed=None,
        )
    pair_freedom = len(best.values) + len(rival.values) - 2
    variance = max(pooled, _variance([best, rival], pair_freedom) or 0.0)
    error = math.sqrt(variance * (1 / len(best.values) + 1 / len(rival.values)))
    half = float(stdtrit(freedom, 1 - level / 2)) * error
    low, high = lead - half, lead + half
    smallest = max(lead, margin / 2)
    needed = math.ceil(2 * variance * _POWER_FACTOR / smallest**2) if smallest else None
    reason = ""
    if rival.edge and lead > margin:
        relation = Relation.UNCLEAR
        reason = f"{name} may not be tuned well: {rival.edge}"
    elif low > 0 and lead > margin:
        relation = Relation.BEATEN
    elif (low > 0 and lead <= margin) or (low >= -margin and high <= margin):
        relation = Relation.EQUAL
    else:
        relation = Relation.UNCLEAR
        reason = f"the lead over {name} is not larger than its noise"
    return Comparison(
        rival=name,
        lead=lead,
        low=low,
        high=high,
        relation=relation,
        reason=reason,
        units_needed=None if needed is None else max(2, needed),
    )
