"""Learning curves in numbers: the middle and the spread of each arm's finalists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import pandas

from selector.report.results import METRIC
from selector.study.answer import Answer
from selector.study.study import Study
from selector.track.run import Stage

_MOST_POINTS = 120  # of a curve in the page; the whole curves are in curves.csv
# The first, steep fall hides what the arms differ in: the view begins where this share is over.
_FIRST_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One arm's curve: x rising, and at each x the median, lowest and highest over its runs."""

    arm: str
    x: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    runs: int


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Learning curves of all arms that have any."""

    metric: str
    axis: str
    """tokens, or step where a function of the user's trains."""
    stage: str
    """verdict: fresh seeds; explore: the search's best, where no verdict run has a curve."""
    curves: tuple[Curve, ...]
    view: tuple[float, float]
    """From the best to the worst value that the figure shows at first."""


def learning(study: Study, answer: Answer, curves: pandas.DataFrame) -> Learning | None:
    """Curves of the finalists' verdict runs, else of their explore runs; None without curves."""
    column = METRIC + study.metric
    if column not in curves:
        return None
    axis = "step" if curves["tokens"].isna().any() else "tokens"
    chosen = curves[curves["trial"].isin([item.trial.number for item in answer.finalists])]
    chosen = chosen[chosen[column].notna()]
    for stage in (Stage.VERDICT, Stage.EXPLORE):
        of_stage = chosen[chosen["stage"] == stage.value]
        found = [
            curve
            for arm in study.arms
            if (curve := _curve(arm.name, of_stage[of_stage["arm"] == arm.name], axis, column))
        ]
        if found:
            return Learning(
                metric=study.metric,
                axis=axis,
                stage=stage.value,
                curves=tuple(found),
                view=_view(found, study.minimize),
            )
    return None


def _curve(arm: str, rows: pandas.DataFrame, axis: str, column: str) -> Curve | None:
    """The runs' curves on one grid: their own points where they share them, else interpolated."""
    runs = [
        (group[axis].to_numpy(float), group[column].to_numpy(float))
        for _, group in rows.groupby(["trial", "stage", "seed"])
    ]
    runs = [(x, y) for x, y in runs if len(x) > 1]
    if not runs:
        return None
    start, end = max(x[0] for x, _ in runs), min(x[-1] for x, _ in runs)
    grid = numpy.unique(numpy.concatenate([x for x, _ in runs]))
    grid = grid[(grid >= start) & (grid <= end)]
    if len(grid) > _MOST_POINTS:
        grid = grid[numpy.linspace(0, len(grid) - 1, _MOST_POINTS).round().astype(int)]
    if len(grid) < 2:
        return None
    table = numpy.stack([numpy.interp(grid, x, y) for x, y in runs])
    return Curve(
        arm=arm,
        x=tuple(grid.tolist()),
        median=tuple(numpy.median(table, axis=0).tolist()),
        low=tuple(table.min(axis=0).tolist()),
        high=tuple(table.max(axis=0).tolist()),
        runs=len(runs),
    )


def _view(curves: list[Curve], minimize: bool) -> tuple[float, float]:
    longest = max(curve.x[-1] for curve in curves)
    early = [float(numpy.interp(_FIRST_SHARE * longest, curve.x, curve.median)) for curve in curves]
    if minimize:
        return min(min(curve.low) for curve in curves), max(early)
    return max(max(curve.high) for curve in curves), min(early)
