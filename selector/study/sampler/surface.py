"""A response surface fitted to few noisy values: a bowl and what a bowl leaves over.

A Gaussian process whose mean is a bowl around the middle of the ranges, and whose covariance is a
full quadratic in the features (so bowls may lie elsewhere, be flat, or be rotated) plus a squared
exponential for what a quadratic cannot follow. Scales come from a small grid whose
members are weighted by their marginal likelihood (https://gaussianprocess.org/gpml, chapters 2 and
5) instead of optimized: with 4 to 16 values several explain the data as well. Values far above the
best are trusted less, in proportion to how far: there the surface need not be right.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from selector.study.sampler.encoding import Array

#: The expected bowl's height one feature from the middle; prior variances of the quadratic's
#: constant and of its linear and second-order parts; and the grid: lengths of the rest, its
#: variances, and the noise. In features (a range is -1 to 1) and standard deviations of the values,
#: chosen by simulated regret (benchmarks/method/README.md, "Regret").
_BOWL = 1.0
_CONSTANT, _LINEAR, _QUADRATIC = 4.0, 1.0, 0.2
_LENGTHS, _RESTS, _NOISES = (0.35, 0.7, 1.4), (0.1, 0.5), (0.02, 0.2)
#: Noise added per standard deviation above the best value.
_DISTRUST = 0.2
#: Values are cut off this many times the median's distance above the best: a rate just short of
#: divergence may be nats worse, and would flatten everything else.
_TALLEST = 4.0
#: Members of the grid with a smaller weight are left out.
_LEAST_WEIGHT = 0.02


class Surface:
    """The surface after values at features [n, columns]; smaller values are better."""

    def __init__(self, features: Array, values: Array) -> None:
        self._features = features
        self._lowest = float(values.min())
        above = values - self._lowest
        above = np.minimum(above, _TALLEST * max(float(np.median(above)), 1e-12))
        self._scale = max(float(above.std()), 1e-12)
        above = above / self._scale
        grid = np.array(list(itertools.product(_LENGTHS, _RESTS, _NOISES)))
        lengths, rests, noises = grid.T
        noise = noises[:, None] ** 2 + (_DISTRUST * above) ** 2
        covariance = _covariance(features, features, lengths, rests)
        covariance += noise[:, :, None] * np.eye(len(above))
        factor = np.linalg.cholesky(covariance)
        surprise = above - _BOWL * (features**2).sum(axis=1)
        target = np.broadcast_to(surprise[:, None], (len(grid), len(above), 1))
        white = np.linalg.solve(factor, target)[..., 0]
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        likelihood = -(white**2).sum(axis=1) / 2 - np.log(diagonal).sum(axis=1)
        weights = np.exp(likelihood - likelihood.max())
        weights /= weights.sum()
        kept = weights >= _LEAST_WEIGHT
        self._weights = weights[kept] / weights[kept].sum()
        self._lengths, self._rests = lengths[kept], rests[kept]
        self._factor, self._white = factor[kept], white[kept]

    def at(self, features: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the surface at features [m, columns]."""
        cross = _covariance(self._features, features, self._lengths, self._rests)
        part = np.linalg.solve(self._factor, cross)
        mean = (part * self._white[..., None]).sum(axis=1)
        square = (features**2).sum(axis=1)
        own = _CONSTANT + _LINEAR * square + _QUADRATIC * square**2
        variance = np.maximum(own + self._rests[:, None] - (part**2).sum(axis=1), 1e-12)
        middle = self._weights @ mean
        spread = self._weights @ (variance + mean**2) - middle**2
        deviation = np.sqrt(np.maximum(spread, 1e-12))
        return self._lowest + self._scale * (middle + _BOWL * square), self._scale * deviation


def _covariance(first: Array, second: Array, lengths: Array, rests: Array) -> Any:
    """[grid, first, second]."""
    product = first @ second.T
    square = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * product
    bowl = _CONSTANT + _LINEAR * product + _QUADRATIC * product**2
    rest = np.exp(-np.maximum(square, 0.0) / (2 * lengths[:, None, None] ** 2))
    return bowl + rests[:, None, None] * rest
