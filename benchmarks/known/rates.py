"""What a sub-search says about the learning rate, from the trials that it made.

Rates are in octaves, so a difference of 1 is a factor of 2. Between trials the loss is a straight
line over the logarithm of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy

from selector.study.answer import Answer
from selector.study.spaces import LR
from selector.study.sub_search import SubSearch

#: (log2 of the rate, loss) of a sub-search's trials, by rate; infinite where one did not complete.
Tried = Sequence[tuple[float, float]]

#: A rate is in the range that trains if its loss is within this many nats of the best.
WITHIN = 0.1


def best_rates(answer: Answer, arm: str) -> list[float]:
    """log2 of the best rate of each sub-search, see `lowest`."""
    found = [lowest(_tried(search)) for search in answer.searches.arms[arm].sub_searches]
    return [place for place in found if place is not None]


def widths(answer: Answer, arm: str) -> list[float]:
    """Octaves whose loss is within `WITHIN` nats of the best of all arms in that sub-search."""
    arms = answer.searches.arms
    return [
        width(
            _tried(search),
            WITHIN
            + min(
                (loss for rival in arms.values() for _, loss in _tried(rival.sub_searches[number])),
                default=math.nan,
            ),
        )
        for number, search in enumerate(arms[arm].sub_searches)
    ]


def cost_of_half(answer: Answer, arm: str) -> list[float]:
    """By how much the loss is higher at half of the best rate, in each sub-search."""
    return _costs(answer, arm, -1.0)


def cost_of_double(answer: Answer, arm: str) -> list[float]:
    """By how much the loss is higher at twice the best rate, in each sub-search."""
    return _costs(answer, arm, 1.0)


def lowest(tried: Tried) -> float | None:
    """Where a parabola through the best trial and its two neighbours is lowest.

    The best trial's own place where a neighbour is missing or did not complete; None: no trial did.
    """
    place = min(range(len(tried)), key=lambda index: tried[index][1], default=None)
    if place is None or not math.isfinite(tried[place][1]):
        return None
    around = tried[max(0, place - 1) : place + 2]
    if len(around) < 3 or not all(math.isfinite(loss) for _, loss in around):
        return tried[place][0]
    (a, high_a), (b, low), (c, high_c) = around
    left, right = (b - a) * (low - high_c), (b - c) * (low - high_a)
    if left == right:  # three equal losses
        return b
    return b - 0.5 * ((b - a) * left - (b - c) * right) / (left - right)


def width(tried: Tried, bound: float) -> float:
    """Octaves in which the loss is at most `bound`.

    One that did not complete ends a stretch half way to it. Beyond the ends of what was tried
    nothing is counted: a range that is cut off there looks narrower than it is.
    """
    total = 0.0
    for (left, first), (right, second) in pairwise(tried):
        better, worse = sorted((first, second))
        if worse <= bound:
            total += right - left
        elif better <= bound:
            share = (bound - better) / (worse - better) if math.isfinite(worse) else 0.5
            total += share * (right - left)
    return total


def _costs(answer: Answer, arm: str, octaves: float) -> list[float]:
    found = []
    for search in answer.searches.arms[arm].sub_searches:
        tried = [point for point in _tried(search) if math.isfinite(point[1])]
        place = lowest(tried)
        if place is not None and tried[0][0] <= place + octaves <= tried[-1][0]:
            rates, losses = zip(*tried, strict=True)
            found.append(float(numpy.interp(place + octaves, rates, losses)) - min(losses))
    return found


def _tried(search: SubSearch) -> Tried:
    return sorted(
        (math.log2(float(trial.values[LR])), search.values.get(trial.index, math.inf))
        for trial in search.trials
        if LR in trial.values and trial.index in search.outcomes
    )
