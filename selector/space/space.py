"""The space of one arm: its dimensions by dotted key, grids over them, values -> configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from selector.config.decode import run_config, unknown
from selector.config.dotted import set_leaf
from selector.config.identity import plain
from selector.config.schema import RunConfig
from selector.config.technique import Scalar, Value
from selector.errors import ConfigError
from selector.space.dimension import Choices, Dimension

#: Larger grids are refused: they would fill the memory before the first trial.
_MOST_POINTS = 100_000


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is tuned in one arm: dotted key -> dimension, most important first.

    A dimension with conditions is there only where they hold: trials elsewhere have no value of it,
    and their configuration keeps its default.
    """

    dimensions: Mapping[str, Dimension]

    def __post_init__(self) -> None:
        """Refuse conditions that cannot be judged or can never hold.

        Raises:
            ConfigError: a line for each.
        """
        if self.conditional and (mistakes := [*self._impossible(), *self._circular()]):
            raise ConfigError(mistakes)

    @cached_property
    def conditional(self) -> bool:
        """Whether some dimensions are there only under a condition."""
        return any(item.when for item in self.dimensions.values())

    def at(self, units: Sequence[float]) -> dict[str, Scalar]:
        """The values at a point of the unit cube, one coordinate for each dimension."""
        items = self.dimensions.items()
        return self.present(
            {key: item.at(unit) for (key, item), unit in zip(items, units, strict=True)}
        )

    def units(self, values: Mapping[str, Value]) -> list[float | None]:
        """The point of the unit cube at which `at` gives `values`; None for keys not there."""
        return [
            item.unit(values[key]) if key in values else None  # type: ignore[arg-type]
            for key, item in self.dimensions.items()
        ]

    def present(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Those of `values` whose conditions hold."""
        if not self.conditional:
            return dict(values)
        kept: dict[str, Scalar] = {}
        for key in self.order:
            if self.has(key, kept):
                kept[key] = values[key]
        return {key: kept[key] for key in self.dimensions if key in kept}

    def has(self, key: str, values: Mapping[str, Value]) -> bool:
        """Whether `key` is there, given the values of the keys before it in `order`."""
        return all(condition.holds(values) for condition in self.dimensions[key].when)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether `values` are a point of the space: nothing missing, nothing out of range."""
        return all(
            (key in values) is self.has(key, values)
            and (key not in values or item.has(values[key]))  # type: ignore[arg-type]
            for key, item in self.dimensions.items()
        )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The keys, each after those that its conditions are about."""
        found: list[str] = []
        left = list(self.dimensions)
        while left:
            ready = [
                key for key in left if all(item.key in found for item in self.dimensions[key].when)
            ]
            if not ready:
                break  # a cycle: refused in __post_init__
            found += ready
            left = [key for key in left if key not in ready]
        return tuple(found)

    def grid(self) -> list[dict[str, Scalar]]:
        """Every combination of the dimensions' points, once, the last key varying fastest.

        Raises:
            ConfigError: a range names neither a step nor a number of grid points, or the grid has
                too many.
        """
        return self._grid

    @cached_property
    def _grid(self) -> list[dict[str, Scalar]]:
        columns = {key: item.points() for key, item in self.dimensions.items()}
        mistakes = [
            f"{key}: a grid over a range needs `grid: N` or `step`, got {self.dimensions[key]}"
            for key, column in columns.items()
            if column is None
        ]
        if mistakes:
            raise ConfigError(mistakes)
        size = math.prod(len(column or ()) for column in columns.values())
        if size > _MOST_POINTS:
            words = " x ".join(f"{len(column or ())} of {key}" for key, column in columns.items())
            raise ConfigError(
                f"sampler: a grid of up to {_MOST_POINTS} points, got {size} ({words}); take fewer"
                " points or another sampler"
            )
        points: list[dict[str, Scalar]] = [{}]
        for key in self.order:
            points = [
                grown
                for point in points
                for grown in (
                    [{**point, key: value} for value in columns[key] or ()]
                    if self.has(key, point)
                    else [point]
                )
            ]
        return [{key: point[key] for key in self.dimensions if key in point} for point in points]

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

    def _impossible(self) -> list[str]:
        mistakes = []
        for key, item in self.dimensions.items():
            for condition in item.when:
                other = self.dimensions.get(condition.key)
                if other is None:
                    text = unknown("tuned key", condition.key, list(self.dimensions))
                    mistakes.append(f"{key}: when: {text}")
                elif not isinstance(other, Choices) and other.points() is None and not other.count:
                    mistakes.append(
                        f"{key}: when: expected a key with choices, steps or whole numbers,"
                        f" got {condition.key} ({other})"
                    )
                else:
                    mistakes += [
                        f"{key}: when: {condition.key} is never {value!r}; it is {other}"
                        for value in condition.values
                        if not other.has(value)
                    ]
        return mistakes

    def _circular(self) -> list[str]:
        known = {
            key
            for key, item in self.dimensions.items()
            if all(condition.key in self.dimensions for condition in item.when)
        }
        circle = [key for key in known if key not in self.order]
        if not circle or len(known) < len(self.dimensions):
            return []
        return [f"{', '.join(sorted(circle))}: when: each is there only where another of them is"]


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
