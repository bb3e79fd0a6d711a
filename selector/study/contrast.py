"""Weighted sums of arms' values with an interval: gains, sums of gains, interactions.

The unit is the verdict's: a sub-search, or a seed where there is one sub-search. Units of different
arms share their block of seeds, which makes differences less variable than independent values; it
is ignored here, so that intervals are too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scipy.special import stdtrit

from selector.study.critical import LEVEL

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A weighted sum of means; low and high are None where the noise is not known."""

    value: float
    low: float | None
    high: float | None

    @property
    def above(self) -> bool:
        """Whether it is clearly above 0."""
        return self.low is not None and self.low > 0

    @property
    def below(self) -> bool:
        """Whether it is clearly below 0."""
        return self.high is not None and self.high < 0

    def within(self, margin: float) -> bool:
        """Whether its whole interval lies inside the margin of practical equality."""
        return (
            self.low is not None
            and self.high is not None
            and self.low >= -margin
            and self.high <= margin
        )


def contrast(
    weights: Mapping[K, float], arms: Mapping[K, Sequence[float]], *, level: float = LEVEL
) -> Contrast:
    """The sum of weight * mean over the arms of `weights`, given the values of all `arms` by unit.

    The wider of two t intervals at two-sided `level`, as for the verdict's differences: Student's,
    with the variance pooled over all arms, and Welch's, with each arm's own and Satterthwaite's
    degrees of freedom (1946, Biometrics Bulletin 2:110), where every arm has two units.
    """
    value = math.fsum(weight * _mean(arms[name]) for name, weight in weights.items())
    freedom = sum(len(values) - 1 for values in arms.values())
    if freedom < 1:
        return Contrast(value=value, low=None, high=None)
    pooled = math.fsum(map(_squares, arms.values())) / freedom
    shares = {name: weight**2 / len(arms[name]) for name, weight in weights.items()}
    half = _half(pooled * math.fsum(shares.values()), freedom, level)
    own = [(arms[name], share) for name, share in shares.items() if share]
    if all(len(values) > 1 for values, _ in own):
        parts = [(share * _squares(v) / (len(v) - 1), len(v) - 1) for v, share in own]
        total = math.fsum(part for part, _ in parts)
        if total > 0:
            spent = math.fsum((part / total) ** 2 / count for part, count in parts)
            half = max(half, _half(total, 1 / spent, level))
    return Contrast(value=value, low=value - half, high=value + half)


def _half(variance: float, freedom: float, level: float) -> float:
    return float(stdtrit(freedom, 1 - level / 2)) * math.sqrt(variance)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    """Sum of squares around the mean."""
    center = _mean(values)
    return math.fsum((value - center) ** 2 for value in values)
