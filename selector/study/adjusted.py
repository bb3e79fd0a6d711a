"""The second estimate: how low an arm's response surface reaches, whatever its search found.

The verdict compares techniques after n trials of tuning, so one that is easier to tune may win
without a lower optimum. Here a quadratic is fitted to the good trials of all of an arm's
sub-searches together, and its lowest value is compared: what perfect tuning inside the range would
give, as far as the trials tell. Where both disagree, the arms differ in ease of tuning.

Fitted are the trials nearest to the optimum, wherever their own noisy values lie: to choose them by
value would favour lucky ones. Diverged trials have no value and are left out. How far the interval
can be trusted was simulated: docs/method.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from selector.study.critical import LEVEL, student

Array = np.ndarray

#: Part of the settings that the quadratic is fitted to at first.
_NEAR = 0.25
#: A quadratic whose rest has more than this times the variance between seeds does not fit.
_MISFIT = 2.0
#: Rounds of moving to the fitted optimum and fitting what lies near it.
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs of one arm at full length that completed: explore, screen and verdict."""

    units: Array
    """[n, d] their settings, each as a share of its range (of its logarithm where it is log)."""
    values: Array
    """[n]."""
    sub_search: Array
    """[n] which sub-search each belongs to."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much lower the surface of one arm reaches than another's; positive: it is better."""

    lead: float
    low: float
    high: float


def optimum(runs: Runs, *, minimize: bool) -> float | None:
    """The best value of the arm's fitted surface; None where no quadratic describes it."""
    found = _fitting(runs, 1.0 if minimize else -1.0)
    return None if found is None else found[0]


def _fitting(runs: Runs, sign: float) -> tuple[float, int] | None:
    """The best value and how many settings it rests on; None where no quadratic fits.

    The settings near the optimum are halved until what the fit leaves over looks like the noise
    between seeds of one setting, as far as settings with several runs tell.
    """
    if not runs.units.shape[1]:
        return None
    points, which = np.unique(runs.units, axis=0, return_inverse=True)
    enough = _enough(runs.units.shape[1])
    count = max(enough, math.ceil(_NEAR * len(points)))
    noise = _pure_variance(runs.values, which)
    rounding = 1e-12 * float(runs.values.var())
    while len(points) >= enough:
        best, left = _fit(runs, sign, count)
        if noise is None or left <= _MISFIT * noise + rounding:
            return best, count
        if count == enough:
            break
        count = max(enough, count // 2)
    return None


def _fit(runs: Runs, sign: float, count: int) -> tuple[float, float]:
    """The best value of a quadratic through the `count` settings near it, and what it leaves over.

    That is the variance of the values around it.
    """
    heights = sign * runs.values
    points, which = np.unique(runs.units, axis=0, return_inverse=True)
    design = _design(points)
    leaders = runs.units[np.argsort(heights, kind="stable")[:count]]
    centre, metric = leaders.mean(axis=0), _metric(leaders)
    for _ in range(_ROUNDS):
        away = points - centre
        distance = np.einsum("ni,ij,nj->n", away, metric, away)
        near = np.argsort(distance, kind="stable")[:count]
        rows = np.isin(which, near)
        fit, *_ = np.linalg.lstsq(design[which[rows]], heights[rows], rcond=None)
        centre = _lowest(fit, points[near])
    rest = heights[rows] - design[which[rows]] @ fit
    variance = float(rest @ rest) / max(1, len(rest) - design.shape[1])
    return sign * float(_design(centre[None])[0] @ fit), variance


def difference(
    arm: Runs, rival: Runs, *, minimize: bool, level: float = LEVEL
) -> Difference | None:
    """The lead of `arm` over `rival` at their optima; None where either cannot be estimated.

    The interval comes from leaving out one sub-search at a time (jackknife: Miller 1974,
    Biometrika 61:1), with Welch's degrees of freedom.
    """
    found = [_jackknife(runs, 1.0 if minimize else -1.0) for runs in (arm, rival)]
    if found[0] is None or found[1] is None:
        return None
    (own, own_variance, own_count), (other, other_variance, other_count) = found[0], found[1]
    total = own_variance + other_variance
    lead = (other - own) if minimize else (own - other)
    if total == 0:
        return Difference(lead=lead, low=lead, high=lead)
    parts = ((own_variance, own_count), (other_variance, other_count))
    spent = sum((variance / total) ** 2 / (count - 1) for variance, count in parts)
    half = student(level, 1 / spent) * math.sqrt(total)
    return Difference(lead=lead, low=lead - half, high=lead + half)


def differs_in_ease_of_tuning(found: Difference | None, lead: float) -> bool:
    """Whether a winner's `lead` over a rival comes from how easy it is to tune.

    So where `found`, their difference at the optima, may be none and is smaller than the lead.
    """
    return found is not None and found.low <= 0 and found.high < lead


def _jackknife(runs: Runs, sign: float) -> tuple[float, float, int] | None:
    """(estimate, its variance, number of sub-searches); None where one cannot be left out."""
    names = np.unique(runs.sub_search)
    whole = _fitting(runs, sign)
    if whole is None or len(names) < 2:
        return None
    best, count = whole
    parts = []
    for name in names:
        rest = runs.sub_search != name
        part = Runs(units=runs.units[rest], values=runs.values[rest], sub_search=names)
        left = len(np.unique(part.units, axis=0))
        share = max(_enough(part.units.shape[1]), round(count * (1 - 1 / len(names))))
        if left < share:
            return None
        parts.append(_fit(part, sign, share)[0])
    return best, (len(names) - 1) * float(np.var(parts)), len(names)


def _enough(dims: int) -> int:
    """Settings that a quadratic needs: two for each of its coefficients."""
    return (dims + 1) * (dims + 2)


def _pure_variance(heights: Array, which: Array) -> float | None:
    """Variance between runs of one setting, pooled; None where no setting has two."""
    counts = np.bincount(which)
    freedom = len(heights) - len(counts)
    if freedom < 1:
        return None
    centred = heights - (np.bincount(which, heights) / counts)[which]
    return float(centred @ centred) / freedom


def _design(units: Array) -> Array:
    """[n, 1 + d + d(d + 1)/2] the terms of a full quadratic."""
    rows, columns = np.triu_indices(units.shape[1])
    centred = units - 0.5
    ones = np.ones((len(units), 1))
    return np.concatenate([ones, centred, centred[:, rows] * centred[:, columns]], axis=1)


def _metric(units: Array) -> Array:
    """The inverse covariance of good settings: which directions matter, and how much."""
    spread = np.atleast_2d(np.cov(units, rowvar=False))
    typical = float(np.trace(spread)) / len(spread)
    ridge = max(0.1 * typical, 1e-12)
    return np.asarray(np.linalg.inv(spread + ridge * np.eye(len(spread))))


def _lowest(fit: Array, units: Array) -> Array:
    """Where the quadratic is lowest: its own lowest point if among `units`, else one of them."""
    dims = units.shape[1]
    hessian = np.zeros((dims, dims))
    hessian[np.triu_indices(dims)] = fit[1 + dims :]
    hessian = hessian + hessian.T
    if np.linalg.eigvalsh(hessian)[0] > 0:
        point = np.asarray(0.5 - np.linalg.solve(hessian, fit[1 : 1 + dims]))
        if (point >= units.min(axis=0)).all() and (point <= units.max(axis=0)).all():
            return point
    return np.asarray(units[int(np.argmin(_design(units) @ fit))])
