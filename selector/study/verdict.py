"""The verdict about techniques: a winner, a tie, or not enough evidence. Statistics only.

The unit is the sub-search: an arm's value is the mean over its sub-searches of their finalists'
mean on fresh seeds. One finalist per arm with a test over seeds would call identical techniques
different far too often, because most of the variance is the luck of the search. With one
sub-search per arm the unit is the seed, and the claim is about configurations.

The best arm wins if it beats every rival by more than the noise (noise.py) at a two-sided level of
5 %, and by more than the margin of practical equality. Demanding a win over *every* rival is an
intersection-union test (Berger 1982, Technometrics 24:295), which needs no correction for the
number of rivals. Claims that are acted on one by one do: claims.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from selector.study.claims import Claim, Claimant, against_baseline, between_pairs
from selector.study.critical import LEVEL, last_level, student
from selector.study.noise import Noise, mean, noise_of
from selector.study.power import units_needed

#: Level of the first of two looks. A larger part than O'Brien and Fleming's .005, because Welch's
#: few degrees of freedom make the first look strict: simulated in docs/method.md.
_FIRST_LOOK = 0.02


#: Of arms that are practically equal the cheapest is recommended, if it saves this share of time.
_CHEAPER = 0.05


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
    against_baseline: tuple[Claim, ...]
    """Every other arm against the first, all claims together at the verdict's level (Dunnett);
    empty where the first has no value."""
    pairs: tuple[Claim, ...]
    """Every pair of arms, the better one first, all claims together at the level (Tukey)."""
    level: float
    """Two-sided level of the comparisons and claims: their intervals are 1 - level intervals."""
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
    means = {name: mean(arm.values) for name, arm in known.items()}
    best = min(means, key=lambda name: sign * means[name])
    noise = noise_of({name: arm.values for name, arm in known.items()})
    comparisons = tuple(
        _compare(known, best, name, noise, sign, margin, level) for name in known if name != best
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
        cheapest = min([best, *equal], key=lambda name: known[name].cost)
        if known[cheapest].cost < (1 - _CHEAPER) * known[best].cost:
            recommended = cheapest
    claimants = {
        name: Claimant(values=arm.values, barred=arm.barred, edge=arm.edge)
        for name, arm in known.items()
    }
    baseline = next(iter(arms))
    return Verdict(
        state=state,
        best=best,
        recommended=recommended,
        unit=unit,
        estimates={name: _estimate(name, arm.values, noise) for name, arm in known.items()},
        comparisons=comparisons,
        against_baseline=against_baseline(
            claimants, baseline, noise=noise, sign=sign, margin=margin, level=level
        )
        if baseline in known
        else (),
        pairs=between_pairs(claimants, noise=noise, sign=sign, margin=margin, level=level),
        level=level,
        margin=margin,
        reasons=tuple(reasons),
    )


def look_level(units: int, looks: Sequence[int]) -> float:
    """The two-sided level at a look with `units` units an arm, of those that `looks` plans."""
    if len(looks) == 1:
        return LEVEL
    if units <= looks[0]:
        return _FIRST_LOOK
    return last_level(LEVEL, _FIRST_LOOK, looks[0] / looks[-1])


def margin_of(baseline: float, *, absolute: float, share: float) -> float:
    """Margin of practical equality: the larger of an absolute one and a share of the baseline."""
    return max(absolute, share * abs(baseline))


def _estimate(name: str, values: tuple[float, ...], noise: Noise | None) -> Estimate:
    center = mean(values)
    if noise is None:
        return Estimate(mean=center, low=None, high=None, values=values)
    half = noise.half_width_of(name, LEVEL)
    return Estimate(mean=center, low=center - half, high=center + half, values=values)


def _compare(
    arms: Mapping[str, Evidence],
    best: str,
    rival: str,
    noise: Noise | None,
    sign: float,
    margin: float,
    level: float,
) -> Comparison:
    lead = sign * (mean(arms[rival].values) - mean(arms[best].values))
    if noise is None:
        return Comparison(
            rival=rival,
            lead=lead,
            low=None,
            high=None,
            relation=Relation.UNCLEAR,
            reason="each arm has one value, so the noise is not known",
            units_needed=None,
        )
    half = noise.half_width(best, rival, lambda freedom: student(level, freedom))
    low, high = lead - half, lead + half
    reason = ""
    if arms[rival].edge and lead > margin:
        relation = Relation.UNCLEAR
        reason = f"{rival} may not be tuned well: {arms[rival].edge}"
    elif low > 0 and lead > margin:
        relation = Relation.BEATEN
    elif (low > 0 and lead <= margin) or (low >= -margin and high <= margin):
        relation = Relation.EQUAL
    else:
        relation = Relation.UNCLEAR
        reason = f"the lead over {rival} is not larger than its noise"
    return Comparison(
        rival=rival,
        lead=lead,
        low=low,
        high=high,
        relation=relation,
        reason=reason,
        units_needed=_units_needed(max(lead, margin / 2), noise.deviation(best, rival), len(arms)),
    )


def _units_needed(lead: float, deviation: float, arms: int) -> int | None:
    """Units per arm that settle a lead; None where there is none."""
    if lead <= 0:
        return None
    return units_needed(lead / deviation, arms=arms) if deviation > 0 else 2
