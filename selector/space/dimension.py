"""One tunable quantity: a range of numbers or a list of choices, and their YAML form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.config.limits import allowed, is_number, mistake
from selector.config.schema import GROUPS
from selector.config.technique import Scalar
from selector.space.condition import Condition
from selector.space.interval import Interval

__all__ = ["Choices", "Condition", "Dimension", "Interval", "dimension", "range_mapping"]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """One of several values without an order."""

    values: tuple[Scalar, ...]
    when: tuple[Condition, ...] = ()
    """What must hold of other keys for this one to be tuned."""

    def __post_init__(self) -> None:
        """Refuse an empty list and repetitions."""
        if len(self.values) < 1 or len(set(map(repr, self.values))) < len(self.values):
            raise ValueError(f"expected different choices, got {list(self.values)}")

    def at(self, unit: float) -> Scalar:
        """The choice at `unit` in [0, 1]; every choice has the same share."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def unit(self, value: Scalar) -> float:
        """The middle of the share of [0, 1] in which `at` gives `value`."""
        return (self.place(value) + 0.5) / len(self.values)

    def place(self, value: Scalar) -> int:
        """Which of the choices `value` is, from 0; true is not 1.

        Raises:
            ValueError: none of them.
        """
        for place, item in enumerate(self.values):
            if item == value and isinstance(item, bool) == isinstance(value, bool):
                return place
        raise ValueError(f"expected one of {list(self.values)}, got {value!r}")

    def has(self, value: Scalar) -> bool:
        """Whether `value` is one of the choices."""
        return Condition(key="", values=self.values).allows(value)

    def points(self) -> tuple[Scalar, ...] | None:
        """All choices."""
        return self.values

    def __str__(self) -> str:
        """In words: 'one of 0.9, 0.95'."""
        words = f"one of {', '.join(map(str, self.values))}"
        return words + "".join(f", where {item}" for item in self.when)

    def edge(self, value: Scalar, tried: Sequence[Scalar]) -> str | None:
        """None: choices have no edge."""
        return None


Dimension = Interval | Choices
_KEYS = ("low", "high", "log", "step", "choices", "grid", "when")


def dimension(key: str, mapping: Any, *, integer: bool = False) -> Dimension:
    """The dimension that a YAML range describes: {low, high, log, step, grid} or {choices}.

    Both may have `when: {other: value or values}`: conditions on other keys, which are relative to
    `key`'s group unless they start with a group. `integer` says whether the key at `key` takes
    whole numbers only.

    Raises:
        ValueError: what is wrong with it; `key`'s own limits hold for its bounds too.
    """
    if not isinstance(mapping, Mapping) or set(mapping) - set(_KEYS):
        raise ValueError(f"expected a range of {', '.join(_KEYS)}, got {mapping!r}")
    leaf = key.rpartition(".")[2]
    when = _conditions(key, mapping.get("when", {}))
    if "choices" in mapping:
        if set(mapping) - {"choices", "when"} or not isinstance(mapping["choices"], list | tuple):
            raise ValueError(f"expected a list of choices and nothing else, got {dict(mapping)}")
        choices = tuple(mapping["choices"])
        numbers = [item for item in choices if mistake(leaf, item)]
        if numbers:
            raise ValueError(f"choices: expected {allowed(leaf)}, got {numbers[0]}")
        return Choices(values=choices, when=when)
    if not {"low", "high"} <= set(mapping):
        raise ValueError(f"expected low and high, or choices, got {dict(mapping)}")
    for name in ("low", "high", "step"):
        value = mapping.get(name)
        if value is not None and not is_number(value):
            raise ValueError(f"{name}: expected a number, got {value!r}")
    step, grid = mapping.get("step"), mapping.get("grid")
    if not isinstance(mapping.get("log", False), bool):
        raise ValueError(f"log: expected true or false, got {mapping['log']!r}")
    if grid is not None and (not isinstance(grid, int) or isinstance(grid, bool)):
        raise ValueError(f"grid: expected a whole number of points, got {grid!r}")
    if integer and step is not None and not float(step).is_integer():
        raise ValueError(f"step: expected a whole number, got {step}")
    for name in ("low", "high"):
        if mistake(leaf, mapping[name]):
            raise ValueError(f"{name}: expected {allowed(leaf)}, got {mapping[name]}")
        if integer and not float(mapping[name]).is_integer():
            raise ValueError(f"{name}: expected a whole number, got {mapping[name]}")
    return Interval(
        low=mapping["low"],
        high=mapping["high"],
        log=mapping.get("log", False),
        step=step,
        integer=integer,
        grid=grid,
        when=when,
    )


def range_mapping(item: Dimension) -> dict[str, Any]:
    """The YAML form of a dimension; `dimension` reads it back."""
    mapping: dict[str, Any]
    if isinstance(item, Choices):
        mapping = {"choices": list(item.values)}
    else:
        mapping = {"low": item.low, "high": item.high}
        if item.log:
            mapping["log"] = True
        if item.step is not None:
            mapping["step"] = item.step
        if item.grid is not None:
            mapping["grid"] = item.grid
    if item.when:
        mapping["when"] = {condition.key: list(condition.values) for condition in item.when}
    return mapping


def _conditions(key: str, when: Any) -> tuple[Condition, ...]:
    if not isinstance(when, Mapping):
        raise ValueError(f"when: expected a mapping of keys to values, got {when!r}")
    group = key.partition(".")[0]
    found = []
    for other, values in when.items():
        first, dot, _ = str(other).partition(".")
        whole = str(other) if dot and first in GROUPS else f"{group}.{other}"
        some = tuple(values) if isinstance(values, list | tuple) else (values,)
        if not all(isinstance(item, bool | int | float | str) for item in some):
            raise ValueError(f"when: expected a value or a list of values of {whole}, got {values}")
        found.append(Condition(key=whole, values=some))
    return tuple(found)
