"""A range of numbers, with one meaning for everything that takes values from it.

Bounds are inclusive. `log` spreads values evenly over orders of magnitude, `step` allows
low, low + step, … only, `grid` says how many points an enumeration takes from a range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selector.config.limits import LIMITS, is_number, mistake
from selector.config.technique import Scalar
from selector.space.condition import Condition

#: A range is made longer by half of itself, a log range by at least this factor.
_LEAST_FACTOR = 3.0


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
    when: tuple[Condition, ...] = ()
    """What must hold of other keys for this one to be tuned."""

    def __post_init__(self) -> None:
        """Refuse what has no values or no meaning, printing what was given."""
        given = f"low={self.low}, high={self.high}, log={self.log}, step={self.step}"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"expected finite bounds, got {given}")
        if self.low >= self.high:
            raise ValueError(f"expected low below high, got {given}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"a log range needs low above 0 and no step, got {given}")
        if self.step is not None and not 0 < self.step <= (self.high - self.low) * (1 + 1e-9):
            raise ValueError(f"expected a step above 0 that fits in the range, got {given}")
        if self.grid is not None and self.grid < 2:
            raise ValueError(f"expected a grid of at least 2 points, got {self.grid}")

    @property
    def count(self) -> int | None:
        """How many values it has; None where they are too close to be counted (and for log)."""
        step = self.step or (1.0 if self.integer and not self.log else None)
        return None if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    def value(self, place: int) -> Scalar:
        """The value number `place`, from 0, of a range whose values can be counted."""
        number = min(self.low + place * (self.step or 1), self.high)
        return round(number) if self.integer else float(number)

    def place(self, value: Scalar) -> int:
        """Which of the countable values `value` is, from 0: the nearest."""
        assert is_number(value)
        assert self.count is not None
        place = round((float(value) - self.low) / (self.step or 1))
        return min(max(place, 0), self.count - 1)

    def at(self, unit: float) -> Scalar:
        """The value at `unit` in [0, 1]: the same share of the range (of its logarithm).

        Every countable value gets the same share, both ends included; a whole number of a log
        range that of the numbers which round to it.
        """
        if (count := self.count) is not None:
            return self.value(min(int(unit * count), count - 1))
        start, end = self._scale()
        number = start + unit * (end - start)
        number = math.exp(number) if self.log else number
        number = min(max(round(number) if self.integer else number, self.low), self.high)
        return int(number) if self.integer else float(number)

    def unit(self, value: Scalar) -> float:
        """Where in [0, 1] `at` gives `value`; for countable values the middle of their share."""
        assert is_number(value)
        if (count := self.count) is not None:
            return (self.place(value) + 0.5) / count
        start, end = self._scale()
        number = math.log(float(value)) if self.log else float(value)
        return min(max((number - start) / (end - start), 0.0), 1.0)

    def has(self, value: Scalar) -> bool:
        """Whether `value` is one of the range's values."""
        if not is_number(value) or not self.low <= float(value) <= self.high:
            return False
        if self.integer and not float(value).is_integer():
            return False
        return self.count is None or math.isclose(float(self.at(self.unit(value))), float(value))

    def points(self) -> tuple[Scalar, ...] | None:
        """What an enumeration takes: grid points or steps; None where the range names neither."""
        if self.grid is not None:
            last = self.grid - 1
            shares = [place / last for place in range(self.grid)]
            plain = Interval(low=self.low, high=self.high, log=self.log)
            values = [float(plain.at(share)) for share in shares]
            values[0], values[-1] = float(self.low), float(self.high)
            return tuple(dict.fromkeys(round(v) if self.integer else v for v in values))
        if self.step is not None:
            return tuple(self.value(place) for place in range(self.count or 0))
        return None

    def __str__(self) -> str:
        """In words: '0.0003 to 0.03, log'."""
        words = f"{self.low:g} to {self.high:g}"
        if self.log:
            words += ", log"
        if self.step is not None:
            words += f", step {self.step:g}"
        if self.grid is not None:
            words += f", {self.grid} grid points"
        return words + "".join(f", where {item}" for item in self.when)

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

    def widened(self, side: str, key: str) -> Interval | None:
        """The range with half of itself more on one side; None where `key` cannot go there.

        New ends are rounded to two digits; a limit of `key` that is itself allowed becomes the end.
        """
        end = self._further(side)
        leaf = key.rpartition(".")[2]
        if mistake(leaf, end):
            low, high, low_in, high_in = LIMITS.get(leaf, (0.0, math.inf, True, False))
            end, allowed = (low, low_in) if side == "low" else (high, high_in)
            off_step = self.step is not None and not ((self.low - end) / self.step).is_integer()
            if not allowed or off_step or mistake(leaf, end) or (self.log and end <= 0):
                return None
        if not (end < self.low if side == "low" else end > self.high):
            return None
        return replace(self, low=end) if side == "low" else replace(self, high=end)

    def beyond(self, side: str, key: str) -> Interval | None:
        """The part of `widened` that is new; of countable values without the old end."""
        wider = self.widened(side, key)
        if wider is None:
            return None
        gap = (self.step or 1) if self.count is not None else 0
        if side == "low":
            last = self.low - gap
            return replace(wider, high=last if last > wider.low else self.low)
        first = self.high if self.count is None else self.value(self.count - 1)
        first = float(first) + gap
        return replace(wider, low=first if first < wider.high else first - gap)

    def _further(self, side: str) -> float:
        if self.log:
            factor = max(_LEAST_FACTOR, math.sqrt(self.high / self.low))
            end = self.low / factor if side == "low" else self.high * factor
        else:
            half = (self.high - self.low) / 2
            if self.step is not None:  # at least two steps, so that the new part is a range
                half = max(2, math.ceil(half / self.step - 1e-9)) * self.step
                top = self.low + ((self.count or 1) - 1) * self.step
                return self.low - half if side == "low" else round(top + half, 12)
            end = self.low - half if side == "low" else self.high + half
        if self.integer:
            return max(1, round(end))
        return float(f"{end:.2g}")

    def _scale(self) -> tuple[float, float]:
        """Both ends as `at` spreads values evenly between them."""
        if not self.log:
            return self.low, self.high
        half = 0.5 if self.integer else 0.0
        return math.log(self.low - half), math.log(self.high + half)

    def _share(self, value: Scalar) -> float:
        """Where in the range a value lies: 0 at the low end, 1 at the high end."""
        assert is_number(value)
        low, high, number = float(self.low), float(self.high), float(value)
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return (number - low) / (high - low)
