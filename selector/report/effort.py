"""What tuning longer buys, in numbers: the expected best of n trials for each arm."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas

from selector.study.sampler import make_sampler
from selector.study.study import Study
from selector.track.run import Outcome, Stage

_FEWEST_TRIALS = 4  # in a sub-search: fewer make no curve
_MOST_POINTS = 60


@dataclass(frozen=True, kw_only=True)
class Effort:
    """One arm's best value after n trials of a sub-search."""

    arm: str
    trials: tuple[int, ...]
    best: tuple[float, ...]
    typical: float
    """Median value of one trial; far from the mean, best[0], where a few trials went wild."""


def effort(study: Study, results: pandas.DataFrame) -> tuple[Effort, ...]:
    """A curve for each arm with enough trials; those of a sampler that had learnt left out.

    Of the others the order means nothing. A failed trial counts as the arm's worst completed one.
    All sub-searches of an arm are pooled.
    """
    sampler = make_sampler(study.sampler)
    explore = results[(results["stage"] == Stage.EXPLORE.value) & results["steps"].notna()]
    explore = explore[explore["outcome"] != Outcome.LOST.value]
    found = []
    for arm in study.arms:
        rows = explore[explore["arm"] == arm.name]
        total = study.trials_in(arm)
        # Those in the new part of an extended range come after them and were drawn elsewhere.
        free = [i < total and sampler.independent(int(i), total) for i in rows["index"]]
        rows = rows[numpy.array(free, dtype=bool)]  # an empty list would select columns
        values = rows["value"]
        most = len(values) // max(1, rows["sub_search"].nunique())
        if most < _FEWEST_TRIALS or values.isna().all():
            continue
        worst = values.max() if study.minimize else values.min()
        filled = values.fillna(worst).tolist()
        steps = numpy.unique(numpy.geomspace(1, most, _MOST_POINTS).round().astype(int)).tolist()
        best = tuple(expected_best(filled, n, minimize=study.minimize) for n in steps)
        found.append(
            Effort(arm=arm.name, trials=tuple(steps), best=best, typical=statistics.median(filled))
        )
    return tuple(found)


def expected_best(values: Sequence[float], count: int, *, minimize: bool) -> float:
    """Mean best of `count` of `values` drawn without repetition, over all such draws.

    With the values in order, the i-th (from 0) of N is the best of a draw when it is in it and the
    others come from the N - 1 - i after it: comb(N - 1 - i, n - 1) / comb(N, n). This is the
    unbiased form of the estimate of Dodge et al. 2019 (arXiv 1909.03004).
    """
    ordered = sorted(values, reverse=not minimize)
    total = len(ordered)
    weight = count / total
    terms = []
    for place, value in enumerate(ordered[: total - count + 1]):
        terms.append(weight * value)
        left = total - 1 - place
        weight *= (left - count + 1) / left if left else 0.0
    return math.fsum(terms)
