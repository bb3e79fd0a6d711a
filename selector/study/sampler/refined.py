"""Quasi-random points first, then points where a surface fitted to all results promises most."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import numpy as np
from scipy.special import ndtr

from selector.config.technique import Scalar
from selector.study.sampler.base import Ask, Past, Sampler, usable
from selector.study.sampler.encoding import Array, Encoding
from selector.study.sampler.quasi_random import QuasiRandomSampler
from selector.study.sampler.surface import Surface
from selector.track.run import Told

#: Candidates over the whole space, and as many near the best points so far.
_CANDIDATES = 96
#: How far near ones lie, as shares of a range.
_NEAR = (0.025, 0.075, 0.15)
#: Around how many of the best points.
_BEST = 3
#: How far a trial that cannot be trained casts doubt, in features (a range is 2 wide); the variance
#: of its label; and how many standard deviations a label of 1 is worth.
_DOUBT, _LABEL_NOISE, _CERTAINTY = 0.5, 0.05, 3.0
#: More results than this are not fitted: the best are kept, and the latest infeasible ones.
_MOST_FITTED = 100


class RefinedSampler(Sampler):
    """The first `share` of the trials fill the space, the others improve on what they found."""

    learns = True

    def __init__(self, share: float) -> None:
        self._share = share
        self._first = QuasiRandomSampler()

    def independent(self, index: int, total: int, known: int = 0) -> bool:
        """Whether `index` belongs to the quasi-random part.

        Observations from elsewhere do not replace it: they are the same for all sub-searches, whose
        luck would then be one luck.
        """
        return index < max(2, math.ceil(self._share * total))

    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """A quasi-random point, or the one with the largest expected improvement."""
        begins = self.independent(ask.index, ask.total)
        past = [] if begins else usable(ask.space, ask.index, ask.past)
        good = [item for item in past if _trained(item.told)]
        if len(good) < 2:
            return self._first.suggest(ask)
        sign = 1.0 if ask.minimize else -1.0
        good = sorted(good, key=lambda item: sign * _value(item))[:_MOST_FITTED]
        bad = [item for item in past if item.told and _infeasible(item.told)][-_MOST_FITTED:]
        waiting = [item for item in past if item.told is None]
        encoding = Encoding(ask.space)
        tried = encoding.units([item.values for item in (*good, *waiting)])
        features = encoding.features(tried)
        values = np.array([sign * _value(item) for item in good])
        if waiting:  # as if each had given what is expected of it, so that the next lies elsewhere
            expected, _ = Surface(features[: len(good)], values).at(features[len(good) :])
            values = np.concatenate([values, expected])
        surface = Surface(features, values)
        expected, _ = surface.at(features)
        best = tried[np.argsort(expected)[:_BEST]]
        drawn = _candidates(best, encoding.free, np.random.default_rng(ask.seed))
        candidates = encoding.settle(drawn)
        seen = encoding.features(candidates)
        promise = _improvement(surface, seen, float(expected.min()))
        if bad:
            refused = encoding.units([item.values for item in bad])
            promise *= _feasible(seen, features[: len(good)], encoding.features(refused))
            tried = np.concatenate([tried, refused])
        if encoding.countable:
            promise[_repeated(candidates, tried)] *= 1e-6  # a point tried already teaches little
        return encoding.values(candidates[int(np.argmax(promise))])


def _improvement(surface: Surface, features: Array, incumbent: float) -> Any:
    """Expected improvement on the best expected value (https://doi.org/10.1023/A:1008306431147)."""
    mean, deviation = surface.at(features)
    lead = (incumbent - mean) / deviation
    density = np.exp(-(lead**2) / 2) / math.sqrt(2 * math.pi)
    return deviation * (lead * ndtr(lead) + density)


def _candidates(best: Array, free: Array, generator: np.random.Generator) -> Array:
    """Unit-cube points: some anywhere, some near the rows of `best`."""
    anywhere = generator.random((_CANDIDATES, best.shape[1]))
    centre = np.where(np.isnan(best), 0.5, best)[generator.integers(len(best), size=_CANDIDATES)]
    reach = generator.choice(_NEAR, size=(_CANDIDATES, 1)) * free
    near = np.clip(centre + reach * generator.standard_normal(centre.shape), 0.0, 1.0)
    return np.concatenate([anywhere, near])


def _feasible(features: Array, good: Array, bad: Array) -> Any:
    """The chance that candidates train, from where trials did and did not.

    A Gaussian process on the labels 1 and -1, linear (a cliff cuts a range in two) plus local. Half
    way between a good and a bad trial the chance is a half: the best often lies before the cliff.
    """
    tried = np.concatenate([good, bad])
    labels = np.repeat([1.0, -1.0], [len(good), len(bad)])
    covariance = _closeness(tried, tried) + _LABEL_NOISE * np.eye(len(tried))
    label = _closeness(features, tried) @ np.linalg.solve(covariance, labels)
    return np.maximum(ndtr(_CERTAINTY * label), 1e-6)


def _closeness(first: Array, second: Array) -> Any:
    square = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    return 0.5 + first @ second.T + np.exp(-square / (2 * _DOUBT**2))


def _repeated(candidates: Array, tried: Array) -> Any:
    """Which candidates are among the points `tried`."""
    apart = np.abs(np.nan_to_num(candidates[:, None] - tried[None], nan=0.0))
    return np.any(np.all(apart < 1e-9, axis=2), axis=1)


def _trained(told: Told | None) -> TypeGuard[Told]:
    return told is not None and told.value is not None and told.constraint <= 0


def _infeasible(told: Told) -> bool:
    return told.value is not None and told.constraint > 0


def _value(item: Past) -> float:
    assert item.told is not None
    assert item.told.value is not None
    return item.told.value
