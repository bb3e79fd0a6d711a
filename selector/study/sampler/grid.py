"""Every combination of grid points."""

from __future__ import annotations

import random
from functools import cache

from selector.config.technique import Scalar
from selector.study.sampler.base import Ask, Sampler


class GridSampler(Sampler):
    """Every combination of grid points, once; enumerated here because Optuna's repeats points."""

    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """A grid point, each once; shuffled, so that a budget below the grid spreads over it."""
        points = ask.space.grid()
        return points[_order(len(points))[ask.index]]


@cache
def _order(count: int) -> list[int]:
    order = list(range(count))
    random.Random(count).shuffle(order)
    return order
