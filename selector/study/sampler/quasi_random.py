"""Quasi-random points: they fill a space more evenly than independent ones.

A Halton sequence (https://doi.org/10.1007/BF01386213) whose digits are permuted at random, anew in
every sub-search: coordinate j of point i is i's digits in the j-th prime base, each replaced by its
permutation's and mirrored behind the point. So the sequence is unbiased, needs neither to know how
many points will be taken nor how many dimensions there are, and point i is a function of the
sub-search's seed and i alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from selector.config.schema import Scalar
from selector.space.space import Space
from selector.study.sampler.base import Past, Sampler

#: Digits are permuted as far as a float of 32 bits tells points apart.
_FINEST = 2.0**-32


class QuasiRandomSampler(Sampler):
    """Points that fill the space evenly, the same ones whatever is told."""

    def suggest(
        self,
        space: Space,
        index: int,
        past: Sequence[Past],
        seed: int,
        minimize: bool,
        *,
        total: int,
        search_seed: int,
    ) -> dict[str, Scalar]:
        """The point number `index` of the sub-search's own sequence."""
        return space.at(halton(search_seed, index, len(space.dimensions)))


def halton(seed: int, index: int, dimensions: int) -> list[float]:
    """Point `index`, from 0, of the scrambled sequence of `seed` in the unit cube."""
    return [_coordinate(index, permutations) for permutations in _scramble(seed, dimensions)]


def _coordinate(index: int, permutations: Sequence[Sequence[int]]) -> float:
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
