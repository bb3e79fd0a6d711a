"""The second estimate beside the verdict: do arms differ in their optimum, or in ease of tuning?

The verdict compares techniques after some trials of tuning. Here the best values of their fitted
response surfaces are compared, as if each were tuned perfectly inside its ranges; see
`selector.study.adjusted`, and docs/method.md for how far its intervals can be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy

from selector.report.digits import decimals_for, interval, number
from selector.space.dimension import Interval
from selector.study.adjusted import Runs, difference, differs_in_ease_of_tuning
from selector.study.answer import Answer
from selector.study.searches import ArmSearch
from selector.study.verdict import Relation


@dataclass(frozen=True, kw_only=True)
class Ease:
    """The best arm against a rival at the optima of their fitted surfaces; positive: better."""

    rival: str
    lead: float
    """After tuning, as the verdict has it."""
    optimum_lead: float
    low: float
    high: float
    """Ends of the interval of `optimum_lead`."""
    differs: bool
    """Whether what was found is a difference in ease of tuning."""


def ease(answer: Answer, *, minimize: bool) -> list[Ease]:
    """For each rival, where both surfaces can be fitted; empty where nothing can be said."""
    verdict = answer.verdict
    if verdict is None:
        return []
    arms = answer.searches.arms
    runs = {name: _runs(arms[name]) for name in verdict.estimates}
    best = runs[verdict.best]
    found = []
    for item in verdict.comparisons:
        rival = runs[item.rival]
        if best is None or rival is None:
            continue
        gap = difference(best, rival, minimize=minimize, level=verdict.level)
        if gap is not None:
            beaten = item.relation is Relation.BEATEN
            found.append(
                Ease(
                    rival=item.rival,
                    lead=item.lead,
                    optimum_lead=gap.lead,
                    low=gap.low,
                    high=gap.high,
                    differs=beaten and differs_in_ease_of_tuning(gap, item.lead),
                )
            )
    return found


def ease_sentences(best: str, found: Sequence[Ease]) -> Iterator[str]:
    """The same in sentences."""
    for item in found:
        places = decimals_for([(item.optimum_lead, item.low, item.high)])
        ends = interval(item.low, item.high, places)
        text = (
            f"At the best points of their fitted response surfaces {best} leads {item.rival} by"
            f" {number(item.optimum_lead, places)}{ends}"
        )
        yield (
            f"{text}, less than the lead found after tuning: they differ in ease of tuning, and"
            f" more tuning may bring {item.rival} closer."
            if item.differs
            else f"{text}."
        )


def _runs(arm: ArmSearch) -> Runs | None:
    """Every run at full length that completed; None where a key has no order or may be absent."""
    space = arm.space
    if space.conditional or not all(isinstance(d, Interval) for d in space.dimensions.values()):
        return None
    units: list[list[float | None]] = []
    values: list[float] = []
    numbers: list[int] = []
    for search in arm.sub_searches:
        for index, trial in enumerate(search.trials):
            screened = search.screens.get(index)
            verdicts = search.confirmed(trial).values()
            own = [
                search.values.get(index),
                screened,
                *(result.value for result in verdicts),
            ]
            for value in own:
                if value is not None:
                    units.append(space.units(trial.values))
                    values.append(value)
                    numbers.append(search.number)
    if not units:
        return None
    return Runs(
        units=numpy.array(units, float),
        values=numpy.array(values),
        sub_search=numpy.array(numbers),
    )
