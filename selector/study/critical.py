"""Critical values: how many standard errors a difference needs, for one claim or for several.

Numerical integration with scipy.special alone: `plan` and `report` use these numbers and must not
pay for the import of scipy.stats, which the tests compare them with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit

#: Probability of a wrong claim that is accepted: of a test, or of a whole family of claims.
LEVEL = 0.05
#: Gives the critical value at some degrees of freedom.
Bound = Callable[[float], float]
#: An array in, an array of the same length out.
Inside = Callable[[np.ndarray], np.ndarray]
#: Nodes of the outer integral (over the estimated standard deviation) and of the inner (normal).
_OUTER, _INNER = np.polynomial.legendre.leggauss(48), np.polynomial.legendre.leggauss(96)
#: The inner integral runs over this many standard deviations to both sides.
_REACH = 8.0


def student(level: float, freedom: float) -> float:
    """For one difference, two-sided: the t distribution's."""
    return float(stdtrit(freedom, 1 - level / 2))


@lru_cache(maxsize=256)
def dunnett(level: float, freedom: float, shares: tuple[float, ...]) -> float:
    """For the differences between a baseline and each rival at once, two-sided.

    `shares` has one entry a rival: the part of its difference's variance that is the baseline's,
    one half at equal numbers. Dunnett 1955, Journal of the American Statistical Association
    50:1096.
    """
    if freedom != (coarse := _coarse(freedom)):
        return dunnett(level, coarse, shares)
    normal, weight = normal_nodes()
    common = np.sqrt(np.asarray(shares))[:, None, None] * normal
    own = np.sqrt(1 - np.asarray(shares))[:, None, None]

    def inside(bound: np.ndarray) -> np.ndarray:
        high, low = (common + bound[:, None]) / own, (common - bound[:, None]) / own
        return np.asarray((ndtr(high) - ndtr(low)).prod(axis=0) @ weight)

    return _solve(inside, level, freedom)


@lru_cache(maxsize=256)
def tukey(level: float, freedom: float, arms: int) -> float:
    """For the differences between all pairs of arms at once: the studentized range over √2.

    At unequal numbers of units the same value is conservative (Hayter 1984, Annals of Statistics
    12:61).
    """
    if freedom != (coarse := _coarse(freedom)):
        return tukey(level, coarse, arms)
    normal, weight = normal_nodes()

    def inside(bound: np.ndarray) -> np.ndarray:
        spread = ndtr(normal) - ndtr(normal - math.sqrt(2) * bound[:, None])
        return np.asarray(arms * spread ** (arms - 1) @ weight)

    return _solve(inside, level, freedom)


@lru_cache(maxsize=256)
def last_level(level: float, first: float, share: float) -> float:
    """The level of the last of two looks, so that both together err in at most `level`.

    `share` of the last look's data were there at the first, which tests at level `first`: the two
    statistics are normal with correlation √share (Pocock 1977, Biometrika 64:191). Four decimals,
    rounded down.
    """
    bound, own = float(ndtri(1 - first / 2)), math.sqrt(1 - share)
    nodes, weights = _INNER
    early = bound * nodes
    density = np.exp(-(early**2) / 2) / math.sqrt(2 * math.pi) * weights * bound

    def kept(last: float) -> float:
        late = float(ndtri(1 - last / 2))
        mean = math.sqrt(share) * early
        return float((ndtr((late - mean) / own) - ndtr((-late - mean) / own)) @ density)

    low, high = 0.0, level
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) > 1 - level else (low, middle)
    return math.floor(1e4 * low) / 1e4


def _coarse(freedom: float) -> float:
    """Degrees of freedom rounded down to halves: conservative, and few values to integrate for."""
    return math.floor(2 * freedom) / 2


def normal_nodes() -> tuple[np.ndarray, np.ndarray]:
    """Points of a standard normal, and what each weighs in an integral over its density."""
    points = _REACH * _INNER[0]
    return points, _REACH * _INNER[1] * np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)


def over_deviation(inside: Inside, freedom: float) -> float:
    """The mean of `inside` over an estimated standard deviation, √(χ²/freedom), of true value 1.

    `inside` maps an array of deviations to an array; at Gauss-Legendre nodes of the quantiles.
    """
    deviation = np.sqrt(chdtri(freedom, (1 - _OUTER[0]) / 2) / freedom)
    return float(_OUTER[1] @ inside(deviation) / 2)


def _solve(inside: Inside, level: float, freedom: float) -> float:
    """The bound within which all statistics lie with probability 1 - level.

    `inside` gives that probability for a bound in true standard deviations.
    """

    def kept(bound: float) -> float:
        return over_deviation(lambda deviation: inside(bound * deviation), freedom)

    low, high = 0.0, 1.0
    while kept(high) < 1 - level:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) < 1 - level else (low, middle)
    return high
