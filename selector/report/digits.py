"""Numbers as people read them: as many digits as the interval carries, sizes in k, M, B."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

_MOST = 9  # decimals; a smaller number is shown in powers of ten


def decimals(half_width: float | None, value: float) -> int:
    """Decimals with which a value is shown beside half its interval.

    One digit of the half width, two where the first is a 1 or a 2: rounding then changes the
    interval by less than a fifth of its width. Without an interval, four digits of the value.
    """
    if half_width is None or half_width <= 0:
        return _places(value, 4)
    exponent = math.floor(math.log10(half_width))
    leading = round(half_width / 10**exponent, 9)
    return min(max(0, (1 if leading < 3 else 0) - exponent), _MOST)


def decimals_for(intervals: Iterable[tuple[float, float | None, float | None]]) -> int:
    """Decimals for several (value, low, high) shown in one column; no end is rounded to 0."""
    known = list(intervals)
    places = max(
        (decimals(None if low is None or high is None else (high - low) / 2, value))
        for value, low, high in known
    )
    ends = [abs(end) for _, *both in known for end in both if end]
    while places < _MOST and any(round(end, places) == 0 for end in ends):
        places += 1
    return places


def number(value: float, places: int) -> str:
    """`value` with `places` decimals, never a negative zero."""
    if value and abs(value) < 10**-_MOST:
        return f"{value:.3g}"
    text = f"{value:.{places}f}"
    return text.lstrip("-") if not float(text) else text


def interval(low: float | None, high: float | None, places: int) -> str:
    """`(2.38 to 2.44)` with a space before it; empty where the noise is not known."""
    if low is None or high is None:
        return ""
    return f" ({number(low, places)} to {number(high, places)})"


def estimate(value: float, low: float | None, high: float | None, places: int | None = None) -> str:
    """A value with its interval: `0.042 (0.030 to 0.054)`; `places` as its own digits ask."""
    own = decimals_for([(value, low, high)]) if places is None else places
    return number(value, own) + interval(low, high, own)


def setting(value: Any) -> str:
    """A tuned value with three significant digits: 0.0031, 6e-05, 8, gelu."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(setting(item) for item in value) + "]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def size(count: float) -> str:
    """A count of things: 0.3 M, 124 M, 1.2 B, 12 k, 512."""
    for unit, name in ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M")):
        if count >= unit / 10:
            return f"{_two(count / unit)} {name}"
    return f"{_two(count / 1e3)} k" if count >= 1e4 else f"{count:.0f}"


def duration(seconds: float) -> str:
    """A time: 0.42 s, 12 s, 3.5 min, 2.1 h."""
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{_two(seconds / unit)} {name}"
    return f"{_two(seconds)} s" if seconds >= 1 else f"{seconds:.2g} s"


def operations(count: float) -> str:
    """Floating-point operations in powers of ten: 3.1e12."""
    return f"{count:.1e}".replace("e+", "e")


def _two(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _places(value: float, digits: int) -> int:
    if not value:
        return 2
    return min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), _MOST)
