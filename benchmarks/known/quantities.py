"""What a known answer is about: a number for each unit of an arm, read from a stored study.

A unit is the verdict's: a sub-search, or a verdict seed where there is one sub-search. Rates are in
octaves: a difference of 1 is a factor of 2.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

from selector.study.answer import Answer, Finalist
from selector.study.extension import shared_edges
from selector.study.spaces import LR
from selector.study.sub_search import SubSearch

#: (rate, loss) of the trials of one sub-search that completed, by rate.
Tried = list[tuple[float, float]]

#: A rate trains about as well as any if its loss is within this many nats of the best.
WITHIN = 0.1


def losses(answer: Answer, arm: str) -> list[float]:
    """The finalists' means on fresh seeds, or the values of the only finalist's seeds."""
    own = _finalists(answer, arm)
    if answer.units == 1:
        return list(own[0].confirmed) if own else []
    return [statistics.fmean(item.confirmed) for item in own if item.confirmed]


def best_rates(answer: Answer, arm: str) -> list[float]:
    """log2 of the best learning rate of each sub-search: where a parabola through the best trial
    and its two neighbours has its minimum; at an end of what was tried, the best trial's."""
    return [_lowest(tried) for tried in _searched(answer, arm)]


def widths(answer: Answer, arm: str) -> list[float]:
    """Octaves of learning rate around the best one whose loss is within `WITHIN` nats of the best
    of all arms in that sub-search, by straight lines between the trials.

    A trial that diverged ends the range half way to it; so does the end of what was tried.
    """
    searches = answer.searches.arms
    found = []
    for number, search in enumerate(searches[arm].sub_searches):
        rivals = [_tried(other.sub_searches[number]) for other in searches.values()]
        best = min((loss for tried in rivals for _, loss in tried), default=math.nan)
        found.append(_width(_all_tried(search), best + WITHIN))
    return found


QUANTITIES: dict[str, Callable[[Answer, str], Sequence[float]]] = {
    "loss": losses,
    "best rate": best_rates,
    "width": widths,
}


def edge(answer: Answer, arm: str) -> str:
    """The end of a range at which half of the arm's best settings lie, in words; empty: none."""
    found = shared_edges([item.edges for item in _finalists(answer, arm)])
    return next((f"{arm} is best at the {side} end of {key}" for key, side in found), "")


def _finalists(answer: Answer, arm: str) -> list[Finalist]:
    return [item for item in answer.finalists if item.arm == arm]


def _searched(answer: Answer, arm: str) -> list[Tried]:
    found = [_tried(search) for search in answer.searches.arms[arm].sub_searches]
    return [tried for tried in found if tried]


def _tried(search: SubSearch) -> Tried:
    return [point for point in _all_tried(search) if math.isfinite(point[1])]


def _all_tried(search: SubSearch) -> Tried:
    """Trials by rate; one that did not complete has an infinite loss."""
    return sorted(
        (float(trial.values[LR]), search.values.get(trial.index, math.inf))
        for trial in search.trials
        if LR in trial.values and trial.index in search.outcomes
    )


def _lowest(tried: Tried) -> float:
    points = [(math.log2(rate), loss) for rate, loss in tried]
    place = min(range(len(points)), key=lambda index: points[index][1])
    if place in (0, len(points) - 1):
        return points[place][0]
    (a, fa), (b, fb), (c, fc) = points[place - 1 : place + 2]
    left, right = (b - a) * (fb - fc), (b - c) * (fb - fa)
    if left == right:  # three equal losses
        return b
    return b - 0.5 * ((b - a) * left - (b - c) * right) / (left - right)


def _width(tried: Tried, bound: float) -> float:
    """Length in octaves of the stretches of `tried` at or below `bound`."""
    points = [(math.log2(rate), loss) for rate, loss in tried]
    total = 0.0
    for (left, first), (right, second) in pairwise(points):
        good = [loss <= bound for loss in (first, second)]
        if all(good):
            total += right - left
        elif any(good):
            better, worse = sorted((first, second))
            share = (bound - better) / (worse - better) if math.isfinite(worse) else 0.5
            total += share * (right - left)
    return total
