"""Independent random points."""

from __future__ import annotations

import random

from selector.config.technique import Scalar
from selector.study.sampler.base import Ask, Sampler


class RandomSampler(Sampler):
    """Independent points, uniform over each dimension (over its logarithm where it says so)."""

    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """A point that depends on the seed alone."""
        generator = random.Random(ask.seed)
        return ask.space.at([generator.random() for _ in ask.space.dimensions])
