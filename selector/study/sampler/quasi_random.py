"""Quasi-random points: they fill a space more evenly than independent ones.

Up to three dimensions: the additive sequence of the generalized golden ratio (M. Roberts, "The
unreasonable effectiveness of quasirandom sequences", 2018), shifted at random; in more, where its
projections onto few dimensions degenerate, a Halton sequence (https://doi.org/10.1007/BF01386213)
with digits permuted at random. Of these two and Sobol's, each was the better where it is used
(benchmarks/method/README.md, "Regret"). There is one shift or permutation for each sub-search, so
the points are unbiased, and point i is a function of the sub-search's seed and i alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from selector.config.technique import Scalar
from selector.study.sampler.base import Ask, Sampler

_MOST_ADDITIVE = 3
#: Digits are permuted as far as a float of 32 bits tells points apart.
_FINEST = 2.0**-32


class QuasiRandomSampler(Sampler):
    """Points that fill the space evenly, the same ones whatever is told."""

    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """The point number `index` of the sub-search's own sequence."""
        return ask.space.at(point(ask.search_seed, ask.index, len(ask.space.dimensions)))


def point(seed: int, index: int, dimensions: int) -> list[float]:
    """Point `index`, from 0, of the sequence of `seed` in the unit cube."""
    if dimensions <= _MOST_ADDITIVE:
        start, step = _start(seed, dimensions), _steps(dimensions)
        return [(first + index * each) % 1.0 for first, each in zip(start, step, strict=True)]
    return [_coordinate(index, permutations) for permutations in _scramble(seed, dimensions)]


@lru_cache(maxsize=64)
def _start(seed: int, dimensions: int) -> list[float]:
    generator = random.Random(seed)
    return [generator.random() for _ in range(dimensions)]


@lru_cache
def _steps(dimensions: int) -> list[float]:
    """1/g, 1/g², … of the g with g^(dimensions + 1) = g + 1: golden in one dimension."""
    ratio = 2.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    return [ratio ** -(place + 1) for place in range(dimensions)]


def _coordinate(index: int, permutations: Sequence[Sequence[int]]) -> float:
    """The digits of `index`, each replaced by its permutation's, mirrored behind the point."""
    base = len(permutations[0])
    share, weight = 0.0, 1.0
    for permutation in permutations:
        index, digit = divmod(index, base)
        weight /= base
        share += permutation[digit] * weight
    return share


@lru_cache(maxsize=64)
def _scramble(seed: int, dimensions: int) -> list[list[list[int]]]:
    """Permutations of digits: for each dimension and each digit, the most significant first."""
    found = []
    for base in _primes(dimensions):
        generator = random.Random(f"{seed}/{base}")
        weight, permutations = 1.0, []
        while weight > _FINEST:
            permutations.append(generator.sample(range(base), base))
            weight /= base
        found.append(permutations)
    return found


@lru_cache
def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found
