"""One tunable quantity: a range of numbers or a list of choices, with one meaning everywhere.

Bounds are inclusive. `log` spreads values evenly over orders of magnitude, `step` allows
low, low + step, … only, `grid` says how many points an enumeration takes from a range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.config.limits import allowed, is_number, mistake
from selector.config.schema import Scalar


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False
    """Whether values are whole numbers."""
    grid: int | None = None
    """Number of points an enumeration takes, ends included."""

    def __post_init__(self) -> None:
        """Refuse what has no values or no meaning, printing what was given."""
        given = f"low={self.low}, high={self.high}, log={self.log}, step={self.step}"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"expected finite bounds, got {given}")
        if self.low >= self.high:
            raise ValueError(f"expected low below high, got {given}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"a log range needs low above 0 and no step, got {given}")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"expected a step above 0 that fits in the range, got {given}")
        if self.grid is not None and self.grid < 2:
            raise ValueError(f"expected a grid of at least 2 points, got {self.grid}")

    def at(self, unit: float) -> Scalar:
        """The value at `unit` in [0, 1): the same share of the range (of its logarithm)."""
        if self.step is not None:
            count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
            value = self.low + self.step * min(int(unit * count), count - 1)
        elif self.integer and not self.log:
            value = self.low + min(int(unit * (self.high - self.low + 1)), self.high - self.low)
        elif self.log:
            value = math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + unit * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.integer else float(value)

    def points(self) -> tuple[Scalar, ...] | None:
        """What an enumeration takes: grid points or steps; None where the range names neither."""
        if self.grid is not None:
            last = self.grid - 1
            shares = [place / last for place in range(self.grid)]
            plain = Interval(low=self.low, high=self.high, log=self.log)
            values = [float(plain.at(share)) for share in shares]
            values[0], values[-1] = float(self.low), float(self.high)
        elif self.step is not None:
            count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
            values = [self.low + place * self.step for place in range(count)]
        else:
            return None
        return tuple(dict.fromkeys(round(v) if self.integer else float(v) for v in values))

    def __str__(self) -> str:
        """In words: '0.0003 to 0.03, log'."""
        words = f"{self.low:g} to {self.high:g}"
        if self.log:
            words += ", log"
        if self.step is not None:
            words += f", step {self.step:g}"
        return words if self.grid is None else f"{words}, {self.grid} grid points"

    def edge(self, value: Scalar, tried: Sequence[Scalar]) -> str | None:
        """'low' or 'high' where the best may lie outside the range, given the best `value`.

        That is in the outer twentieth, or within 1 / (n + 1) of the end (where the outermost of n
        random trials is expected) with nothing `tried` beyond it; fewer than four trials say
        nothing of an edge.
        """
        share = self._share(value)
        reach = 1 / (len(tried) + 1) if len(tried) >= 4 else 0.0
        shares = [self._share(other) for other in tried]
        if share <= 0.05 or (share <= reach and not any(other < share for other in shares)):
            return "low"
        if share >= 0.95 or (share >= 1 - reach and not any(other > share for other in shares)):
            return "high"
        return None

    def _share(self, value: Scalar) -> float:
        """Where in the range a value lies: 0 at the low end, 1 at the high end."""
        assert is_number(value)
        low, high, number = float(self.low), float(self.high), float(value)
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return (number - low) / (high - low)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """One of several values without an order."""

    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        """Refuse an empty list and repetitions."""
        if len(self.values) < 1 or len(set(map(repr, self.values))) < len(self.values):
            raise ValueError(f"expected different choices, got {list(self.values)}")

    def at(self, unit: float) -> Scalar:
        """The choice at `unit` in [0, 1)."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def points(self) -> tuple[Scalar, ...] | None:
        """All choices."""
        return self.values

    def __str__(self) -> str:
        """In words: 'one of 0.9, 0.95'."""
        return f"one of {', '.join(map(str, self.values))}"

    def edge(self, value: Scalar, tried: Sequence[Scalar]) -> str | None:
        """None: choices have no edge."""
        return None


Dimension = Interval | Choices
_KEYS = ("low", "high", "log", "step", "choices", "grid")


def dimension(key: str, mapping: Any, *, integer: bool = False) -> Dimension:
    """The dimension that a YAML range describes: {low, high, log, step, grid} or {choices}.

    `integer` says whether the key at `key` takes whole numbers only.

    Raises:
        ValueError: what is wrong with it; `key`'s own limits hold for its bounds too.
    """
    if not isinstance(mapping, Mapping) or set(mapping) - set(_KEYS):
        raise ValueError(f"expected a range of {', '.join(_KEYS)}, got {mapping!r}")
    leaf = key.rpartition(".")[2]
    if "choices" in mapping:
        if set(mapping) != {"choices"} or not isinstance(mapping["choices"], list | tuple):
            raise ValueError(f"expected a list of choices and nothing else, got {dict(mapping)}")
        choices = tuple(mapping["choices"])
        numbers = [item for item in choices if mistake(leaf, item)]
        if numbers:
            raise ValueError(f"choices: expected {allowed(leaf)}, got {numbers[0]}")
        return Choices(values=choices)
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
        if text := mistake(leaf, mapping[name]):
            raise ValueError(f"{name}: {text}")
        if integer and not float(mapping[name]).is_integer():
            raise ValueError(f"{name}: expected a whole number, got {mapping[name]}")
    return Interval(
        low=mapping["low"],
        high=mapping["high"],
        log=mapping.get("log", False),
        step=step,
        integer=integer,
        grid=grid,
    )


def range_mapping(item: Dimension) -> dict[str, Any]:
    """The YAML form of a dimension; `dimension` reads it back."""
    if isinstance(item, Choices):
        return {"choices": list(item.values)}
    mapping: dict[str, Any] = {"low": item.low, "high": item.high}
    if item.log:
        mapping["log"] = True
    if item.step is not None:
        mapping["step"] = item.step
    if item.grid is not None:
        mapping["grid"] = item.grid
    return mapping
