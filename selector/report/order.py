"""Does the technique that is best at a rung stay best at the largest and longest one?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from selector.report.ladder import Ladder, Rung
from selector.report.scaling import Quantity


@dataclass(frozen=True, kw_only=True)
class Order:
    """A rung against the last one, where the same techniques were compared."""

    small: str
    """Arm of the technique that is best at the smaller or shorter rung."""
    large: str
    """Arm of the technique that is best at the last rung."""
    kept: bool
    """Whether that is the same technique."""
    regret: Quantity | None
    """What the first one's technique loses at the last rung; None where noise is not known."""


def orders(found: Sequence[Ladder], *, minimize: bool) -> tuple[Order, ...]:
    """Every rung that all ladders share against the last of them; empty for a single ladder."""
    if len(found) < 2:
        return ()
    sign = 1 if minimize else -1
    known = [{(rung.size, rung.tokens): rung for rung in ladder.known} for ladder in found]
    places = [place for place in known[0] if all(place in own for own in known)]
    if len(places) < 2:
        return ()

    def best(place: tuple[int, int]) -> int:
        means = [sign * statistics.fmean(own[place].values) for own in known]
        return means.index(min(means))

    last = places[-1]
    top = best(last)
    result = []
    for place in places[:-1]:
        first = best(place)
        result.append(
            Order(
                small=known[first][place].arm.name,
                large=known[top][last].arm.name,
                kept=first == top,
                regret=_lead(
                    known[top][last], known[first][last], [own[last] for own in known], sign
                ),
            )
        )
    return tuple(result)


def _lead(best: Rung, other: Rung, rungs: Sequence[Rung], sign: int) -> Quantity | None:
    freedom = sum(len(rung.values) - 1 for rung in rungs)
    if freedom < 1:
        return None
    if best is other:
        return Quantity(value=0.0, low=0.0, high=0.0)
    squares = [
        (value - statistics.fmean(rung.values)) ** 2 for rung in rungs for value in rung.values
    ]
    error = math.sqrt(math.fsum(squares) / freedom * (1 / len(best.values) + 1 / len(other.values)))
    lead = sign * (statistics.fmean(other.values) - statistics.fmean(best.values))
    half = float(stdtrit(freedom, 0.975)) * error
    return Quantity(value=lead, low=lead - half, high=lead + half)
