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

from selector.study.verdict import LEVEL

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

    A t interval at two-sided `level` with the larger of the variances within all arms and within
    those of `weights`, as the verdict takes it.
    """
    value = math.fsum(weight * _mean(arms[name]) for name, weight in weights.items())
    squares, freedom = _within(list(arms.values()))
    if freedom < 1:
        return Contrast(value=value, low=None, high=None)
    variance = squares / freedom
    own_squares, own_freedom = _within([arms[name] for name in weights])
    if own_freedom:
        variance = max(variance, own_squares / own_freedom)
    shares = math.fsum(weight**2 / len(arms[name]) for name, weight in weights.items())
    half = float(stdtrit(freedom, 1 - level / 2)) * math.sqrt(variance * shares)
    return Contrast(value=value, low=value - half, high=value + half)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _within(arms: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Sum of squares within arms, and its degrees of freedom."""
    squares = math.fsum((value - _mean(values)) ** 2 for values in arms for value in values)
    return squares, sum(len(values) - 1 for values in arms)
