"""Independent random points."""

from __future__ import annotations

import random
from collections.abc import Sequence

from selector.config.schema import Scalar
from selector.space.space import Space
from selector.study.sampler.base import Past, Sampler


class RandomSampler(Sampler):
    """Independent points, uniform over each dimension (over its logarithm where it says so)."""

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
        """A point that depends on the seed alone."""
        generator = random.Random(seed)
        return space.at([generator.random() for _ in space.dimensions])
