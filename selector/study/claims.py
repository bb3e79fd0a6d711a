"""Claims about several arms at once: against the baseline (Dunnett) and about any pair (Tukey).

All claims of a family hold together with probability 1 - level; the verdict's "beats every rival"
needs no such correction, these do: each may be acted on alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selector.study import critical
from selector.study.noise import Noise, mean


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One arm against another, with an interval that holds together with its family's."""

    arm: str
    rival: str
    """The baseline, or the worse of a pair."""
    lead: float
    """Positive: the arm is better than the rival."""
    low: float | None
    """None, like `high`, where the noise is not known."""
    high: float | None
    holds: bool
    """Whether the arm is better, by more than the margin and by more than noise."""
    reason: str
    """Why it does not hold, in words; empty where it does."""


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """What a claim needs to know of an arm."""

    values: Sequence[float]
    """Of its units, one at least."""
    barred: str
    """Why it cannot be called better; empty: it can."""
    edge: str
    """Why it may not have been tuned well, so that nothing can be called better than it."""


def against_baseline(
    arms: Mapping[str, Claimant],
    baseline: str,
    *,
    noise: Noise | None,
    sign: float,
    margin: float,
    level: float,
) -> tuple[Claim, ...]:
    """Every other arm against `baseline`, at Dunnett's critical value; `sign` is -1 to maximize."""
    rivals = [name for name in arms if name != baseline]
    first = 1 / len(arms[baseline].values)
    shares = tuple(first / (first + 1 / len(arms[name].values)) for name in rivals)

    def bound(freedom: float) -> float:
        return critical.dunnett(level, freedom, shares)

    return tuple(_claim(arms, name, baseline, noise, sign, margin, bound) for name in rivals)


def between_pairs(
    arms: Mapping[str, Claimant],
    *,
    noise: Noise | None,
    sign: float,
    margin: float,
    level: float,
) -> tuple[Claim, ...]:
    """Every pair, the better arm first, at Tukey's critical value; `sign` is -1 to maximize."""
    order = sorted(arms, key=lambda name: sign * mean(arms[name].values))

    def bound(freedom: float) -> float:
        return critical.tukey(level, freedom, len(arms))

    return tuple(
        _claim(arms, better, worse, noise, sign, margin, bound)
        for better, worse in itertools.combinations(order, 2)
    )


def _claim(
    arms: Mapping[str, Claimant],
    arm: str,
    rival: str,
    noise: Noise | None,
    sign: float,
    margin: float,
    bound: critical.Bound,
) -> Claim:
    lead = sign * (mean(arms[rival].values) - mean(arms[arm].values))
    half = noise.half_width(arm, rival, bound) if noise else None
    reason = ""
    if arms[arm].barred:
        reason = f"{arm} is out: {arms[arm].barred}"
    elif half is None:
        reason = "each arm has one value, so the noise is not known"
    elif lead <= half:
        reason = f"the lead over {rival} is not larger than its noise"
    elif lead <= margin:
        reason = f"the lead over {rival} is within the margin of practical equality"
    elif arms[rival].edge:
        reason = f"{rival} may not be tuned well: {arms[rival].edge}"
    return Claim(
        arm=arm,
        rival=rival,
        lead=lead,
        low=None if half is None else lead - half,
        high=None if half is None else lead + half,
        holds=not reason,
        reason=reason,
    )
