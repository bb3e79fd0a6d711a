"""Points of a space as numbers that a fitted model can measure distances between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from selector.config.technique import Scalar, Value
from selector.space.dimension import Choices
from selector.space.space import Space

Array = NDArray[np.float64]


class Encoding:
    """Between a space's values, unit-cube points [n, dimensions], and features [n, columns].

    A range is one feature from -1 to 1. Choices have no order: each is a feature of its own, so
    that any two lie as far apart as the ends of a range. An absent key lies in the middle.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._conditional = space.conditional
        self._items = list(space.dimensions.values())
        self._counts = [
            len(item.values) if isinstance(item, Choices) else item.count for item in self._items
        ]

    def units(self, values: Sequence[Mapping[str, Value]]) -> Array:
        """Unit-cube points of values; NaN where a key is absent."""
        rows = [
            [math.nan if unit is None else unit for unit in self._space.units(item)]
            for item in values
        ]
        return np.array(rows, dtype=float).reshape(len(values), len(self._items))

    def settle(self, units: Array) -> Array:
        """The points that the values at `units` have: shares in their middle, absent keys NaN."""
        if self._conditional:
            return self.units([self.values(row) for row in units])
        settled = units.copy()
        for place, count in enumerate(self._counts):
            if count is not None:
                column = np.minimum(np.floor(settled[:, place] * count), count - 1)
                settled[:, place] = (column + 0.5) / count
        return settled

    def values(self, unit: Array) -> dict[str, Scalar]:
        """The values at one point; a key that is absent in it may have any coordinate."""
        return self._space.at([0.5 if math.isnan(share) else float(share) for share in unit])

    def features(self, units: Array) -> Array:
        """What the model sees of unit-cube points."""
        columns: list[Array] = []
        for place, item in enumerate(self._items):
            share = units[:, place]
            if isinstance(item, Choices):
                chosen = np.floor(share * len(item.values))
                columns += [
                    np.where(chosen == choice, math.sqrt(2), 0.0)
                    for choice in range(len(item.values))
                ]
            else:
                columns.append(2 * share - 1)
        return np.nan_to_num(np.stack(columns, axis=1), nan=0.0)

    @property
    def countable(self) -> bool:
        """Whether there are so few values that a point may come twice."""
        return None not in self._counts

    @property
    def free(self) -> Array:
        """Which coordinates can be moved a little (ranges; a choice cannot), as 0 and 1."""
        return np.array([float(not isinstance(item, Choices)) for item in self._items])
