"""Every combination of grid points."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from selector.config.schema import Scalar
from selector.space.space import Space
from selector.study.sampler.base import Past, Sampler


class GridSampler(Sampler):
    """Every combination of grid points, once; enumerated here because Optuna's repeats points."""

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
        """A grid point, each once; shuffled, so that a budget below the grid spreads over it."""
        points = space.grid()
        return points[_order(len(points))[index]]


@cache
def _order(count: int) -> list[int]:
    order = list(range(count))
    random.Random(count).shuffle(order)
    return order
