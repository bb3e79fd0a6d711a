"""What a known answer is about: a number for each unit of an arm, read from a stored study.

A unit is the verdict's: a sub-search, or a verdict seed where there is one sub-search.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

import numpy

from benchmarks.known import rates
from selector.study.answer import Answer, Finalist
from selector.study.extension import shared_edges
from selector.track.run import Result, Stage

LOSS = "validation/loss"


def values(answer: Answer, arm: str) -> list[float]:
    """The study's metric on fresh seeds, as the verdict takes it."""
    return _by_unit(answer, [list(item.confirmed) for item in _finalists(answer, arm)])


def losses(answer: Answer, arm: str) -> list[float]:
    """The plain validation loss of the same runs, whatever the study is judged by."""
    return _by_unit(
        answer, [[result.metrics[LOSS] for _, result in runs] for runs in _verdicts(answer, arm)]
    )


def best_evaluations(answer: Answer, arm: str) -> list[float]:
    """The lowest validation loss that each of these runs had on its way."""
    curve = answer.searches.record.curve
    return _by_unit(
        answer,
        [
            [min(row[LOSS] for row in curve(key) if LOSS in row) for key, _ in runs]
            for runs in _verdicts(answer, arm)
        ],
    )


def spreads(answer: Answer, arm: str) -> list[float]:
    """The standard deviation between the verdict seeds of a study with one sub-search.

    As pseudo-values of a jackknife over the seeds: their mean is about the deviation, and their
    scatter is its noise (Miller 1974, Biometrika 61:1).
    """
    seeds = values(answer, arm) if answer.units == 1 else []
    if len(seeds) < 3:
        return []
    number, whole = len(seeds), statistics.stdev(seeds)
    without = [seeds[:place] + seeds[place + 1 :] for place in range(number)]
    return [number * whole - (number - 1) * statistics.stdev(rest) for rest in without]


def half_way_ranks(answer: Answer, arm: str) -> list[float]:
    """Spearman's correlation of the loss half way with the last one, over a sub-search's trials."""
    searches = answer.searches.arms[arm].sub_searches
    return _correlations(_half_way(answer, arm, number) for number in range(len(searches)))


def half_way_ranks_of_all(answer: Answer, arm: str) -> list[float]:
    """The same over the trials of all arms together; `arm` makes no difference."""
    return _correlations(
        [pair for name in answer.searches.arms for pair in _half_way(answer, name, number)]
        for number in range(answer.units)
    )


#: Name of a quantity -> its values in the units of an arm.
QUANTITIES: dict[str, Callable[[Answer, str], Sequence[float]]] = {
    "value": values,
    "loss": losses,
    "best evaluation": best_evaluations,
    "spread of seeds": spreads,
    "half-way rank": half_way_ranks,
    "half-way rank of all": half_way_ranks_of_all,
    "best rate": rates.best_rates,
    "width": rates.widths,
    "cost of half the rate": rates.cost_of_half,
    "cost of twice the rate": rates.cost_of_double,
}
#: Those that say something although an arm is best at the end of its range.
AT_EDGES = ("spread of seeds", "half-way rank", "half-way rank of all", "width")


def edge(answer: Answer, arm: str) -> str:
    """The end of a range at which half of the arm's best settings lie, in words; empty: none."""
    found = shared_edges([item.edges for item in _finalists(answer, arm)])
    return next((f"{arm} is best at the {side} end of {key}" for key, side in found), "")


def _finalists(answer: Answer, arm: str) -> list[Finalist]:
    return [item for item in answer.finalists if item.arm == arm]


def _by_unit(answer: Answer, runs: list[list[float]]) -> list[float]:
    """A value a sub-search, or a value a seed where there is one."""
    if answer.units == 1:
        return runs[0] if runs else []
    return [statistics.fmean(own) for own in runs if own]


def _verdicts(answer: Answer, arm: str) -> list[list[tuple[str, Result]]]:
    """The verdict runs of each finalist that completed."""
    searches = answer.searches.arms[arm].sub_searches
    return [
        [
            (key, result)
            for key, result in searches[item.sub_search].confirmed(item.trial).items()
            if result.value is not None
        ]
        for item in _finalists(answer, arm)
    ]


def _half_way(answer: Answer, arm: str, number: int) -> list[tuple[float, float]]:
    """(loss half way, last loss) of a sub-search's trials that completed."""
    searches = answer.searches
    found = []
    for trial in searches.arms[arm].sub_searches[number].trials:
        curve = searches.record.curve(searches.run(trial, Stage.EXPLORE).key)
        points = [(row["step"], row[LOSS]) for row in curve if LOSS in row]
        if trial.index in searches.arms[arm].sub_searches[number].values and len(points) > 1:
            middle = points[-1][0] / 2
            found.append((min(points, key=lambda p: abs(p[0] - middle))[1], points[-1][1]))
    return found


def _correlations(units: Iterable[list[tuple[float, float]]]) -> list[float]:
    found = []
    for pairs in units:
        if len(pairs) > 2:
            ranks = numpy.argsort(numpy.argsort(numpy.array(pairs), axis=0), axis=0)
            found.append(float(numpy.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1]))
    return [value for value in found if math.isfinite(value)]
