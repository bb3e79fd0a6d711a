"""The space of one arm: its dimensions by dotted key, grids over them, values -> configuration."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selector.config.decode import run_config
from selector.config.dotted import set_leaf
from selector.config.identity import plain
from selector.config.schema import RunConfig, Scalar, Value
from selector.errors import ConfigError
from selector.space.dimension import Dimension


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is tuned in one arm: dotted key -> dimension, most important first."""

    dimensions: Mapping[str, Dimension]

    def grid(self) -> list[dict[str, Scalar]]:
        """Every combination of the dimensions' points, the last key varying fastest.

        Raises:
            ConfigError: a range names neither a step nor a number of grid points.
        """
        mistakes = [
            f"{key}: a grid over a range needs `grid: N` or `step`, got {item}"
            for key, item in self.dimensions.items()
            if item.points() is None
        ]
        if mistakes:
            raise ConfigError(mistakes)
        columns = [item.points() or () for item in self.dimensions.values()]
        return [
            dict(zip(self.dimensions, point, strict=True)) for point in itertools.product(*columns)
        ]

    def edges(
        self, values: Mapping[str, Value], tried: Sequence[Mapping[str, Value]]
    ) -> dict[str, str]:
        """Where the best may lie outside: dotted key -> 'low' or 'high' of its range.

        `values` are the best found, `tried` those of all trials of the search.
        """
        found = {
            key: item.edge(values[key], [other[key] for other in tried if key in other])  # type: ignore[arg-type,misc]
            for key, item in self.dimensions.items()
            if key in values
        }
        return {key: side for key, side in found.items() if side}


def assign(config: RunConfig, values: Mapping[str, Value]) -> RunConfig:
    """`config` with the leaves at the dotted keys of `values` replaced, checked like any other.

    Raises:
        ConfigError: a key that is not there, or a value it cannot take.
    """
    if not values:
        return config
    mapping = plain(config)
    for key, value in values.items():
        set_leaf(mapping, key, value)
    return run_config(mapping)
