"""Where the good settings lie, in numbers: each tuned key against the value it led to."""

from __future__ import annotations

from dataclasses import dataclass

import pandas

from selector.config.technique import Scalar
from selector.report.digits import setting
from selector.space.dimension import Dimension, Interval
from selector.study.answer import Answer
from selector.study.study import Arm, Study
from selector.track.run import Outcome, Stage

_MOST_POINTS = 400  # in one panel; the best are all kept, and all are in trials.csv
_MOST_PANELS = 36
# What is further from the best than this many times the median trial is drawn at the rim.
_VIEW_WIDTHS = 3.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """One trial of the search."""

    x: Scalar
    value: float | None
    """None where its run failed."""
    trial: int
    outcome: str
    finalist: bool
    recommended: bool


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One tuned key of one arm."""

    arm: str
    key: str
    log: bool
    ends: tuple[float, float] | None
    """Ends of the range; None for choices."""
    view: tuple[float, float]
    """From the arm's best value to the worst that is drawn at its own height."""
    points: tuple[Point, ...]
    left_out: int
    """Trials that are not drawn, none of them among the best."""


def landscape(study: Study, answer: Answer, results: pandas.DataFrame) -> tuple[Panel, ...]:
    """A panel for each tuned key of each arm in which something completed."""
    over = results[(results["stage"] == Stage.EXPLORE.value) & results["steps"].notna()]
    over = over[over["outcome"] != Outcome.LOST.value]
    finalists = {item.trial.number for item in answer.finalists}
    recommended = answer.recommended.number if answer.recommended else 0
    panels: list[Panel] = []
    for arm in study.arms:
        rows = over[over["arm"] == arm.name]
        if rows["value"].notna().any():
            view = _view(rows["value"].dropna(), study.minimize)
            rows = rows.sort_values(
                ["value", "trial"], ascending=[study.minimize, True], na_position="last"
            )
            space = answer.searches.arms[arm.name].space
            panels += [
                _panel(arm, key, item, rows, view, finalists, recommended)
                for key, item in space.dimensions.items()
            ]
    return tuple(panels[:_MOST_PANELS])


def _view(values: pandas.Series, minimize: bool) -> tuple[float, float]:
    best = float(values.min() if minimize else values.max())
    distance = (values - best).abs()
    limit = min(float(distance.max()), _VIEW_WIDTHS * float(distance.median()))
    return best, best + (limit if minimize else -limit)


def _panel(
    arm: Arm,
    key: str,
    item: Dimension,
    rows: pandas.DataFrame,
    view: tuple[float, float],
    finalists: set[int],
    recommended: int,
) -> Panel:
    rows = rows[rows[key].notna()]
    kept = _thinned(rows)
    numbers = isinstance(item, Interval)
    points = tuple(
        Point(
            x=float(x) if numbers else setting(x),
            value=None if pandas.isna(value) else float(value),
            trial=int(trial),
            outcome=str(outcome),
            finalist=int(trial) in finalists,
            recommended=int(trial) == recommended,
        )
        for x, value, trial, outcome in zip(
            kept[key], kept["value"], kept["trial"], kept["outcome"], strict=True
        )
    )
    return Panel(
        arm=arm.name,
        key=key,
        log=isinstance(item, Interval) and item.log,
        ends=(float(item.low), float(item.high)) if isinstance(item, Interval) else None,
        view=view,
        points=points,
        left_out=len(rows) - len(kept),
    )


def _thinned(rows: pandas.DataFrame) -> pandas.DataFrame:
    """The best half of what may be drawn, and every n-th of the others."""
    if len(rows) <= _MOST_POINTS:
        return rows
    best = _MOST_POINTS // 2
    others = range(best, len(rows))
    every = -(-len(others) // (_MOST_POINTS - best))
    return rows.iloc[[*range(best), *others[::every]]]
