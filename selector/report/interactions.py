"""Interactions between two compared axes: does the best value of one depend on the other?

For two axes whose product was studied, with m the mean of a cell, the contrast of two values of
each is (m11 - m21) - (m12 - m22): how much what the first axis brings differs between two values of
the second. All contrasts of a table share the level of 5 % (Bonferroni), as their number is
known beforehand. The best value *depends* on the other axis only where it differs and both
leads that say so are clear, and does not only where one value is nowhere worse than another by more
than the margin: a difference in size alone changes no advice, and noise proves nothing.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.report.digits import decimals_for, number
from selector.study.answer import Answer
from selector.study.contrast import Contrast, contrast
from selector.study.critical import LEVEL
from selector.study.study import Arm, Study


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best value of the first axis beside one value of the second."""

    beside: str
    value: str
    second: str
    """The value that comes next."""
    lead: Contrast
    """Over the one that comes next; above 0."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Two compared axes of which every combination was studied."""

    first: str
    second: str
    rows: tuple[str, ...]
    """Values of the first axis."""
    columns: tuple[str, ...]
    """Values of the second axis."""
    cells: tuple[tuple[float, ...], ...]
    """Means by row and column, over all values of further axes."""
    best: tuple[Best, ...]
    """One for each column."""
    largest: Contrast
    """The largest interaction contrast, at the shared level; above 0 as it is turned."""
    where: str
    """Which values it contrasts."""
    depends: str
    """no, yes or not settled."""
    words: str


def interactions(study: Study, answer: Answer) -> tuple[Interaction, ...]:
    """One for each pair of compared axes; empty where the arms are no product of axes."""
    verdict = answer.verdict
    if verdict is None or any(arm.name not in verdict.estimates for arm in study.arms):
        return ()
    keys = dict.fromkeys(key for arm in study.arms for key in arm.compared)
    axes = {key: list(dict.fromkeys(_text(arm, key) for arm in study.arms)) for key in keys}
    axes = {key: texts for key, texts in axes.items() if len(texts) > 1}
    cells = {tuple(_text(arm, key) for key in axes): arm.name for arm in study.arms}
    product = set(itertools.product(*axes.values()))
    if len(axes) < 2 or len(study.arms) != len(product) or set(cells) != product:
        return ()
    values = {name: verdict.estimates[name].values for name in cells.values()}
    sign = 1.0 if study.minimize else -1.0
    found = []
    for pair in itertools.combinations(range(len(axes)), 2):
        first, second = (list(axes)[place] for place in pair)
        arms: dict[tuple[str, str], list[str]] = defaultdict(list)
        for cell, name in cells.items():
            arms[cell[pair[0]], cell[pair[1]]].append(name)
        table = _Table(rows=axes[first], columns=axes[second], arms=arms, values=values, sign=sign)
        found.append(_interaction(first, second, table, verdict.margin))
    return tuple(found)


def to_mapping(found: Sequence[Interaction]) -> list[dict[str, Any]]:
    """The plain form for recommendation.json."""
    return [
        {
            **{key: getattr(item, key) for key in ("first", "second", "rows", "columns", "cells")},
            "best": [{**vars(best), "lead": vars(best.lead)} for best in item.best],
            "largest": vars(item.largest),
            "where": item.where,
            "depends": item.depends,
            "words": item.words,
        }
        for item in found
    ]


def lines(item: Interaction) -> list[dict[str, Any]]:
    """The table as text: a row for each value of the first axis, and what is best."""
    places = decimals_for((value, None, None) for line in item.cells for value in line)
    best = [item.rows.index(found.value) for found in item.best]
    return [
        {
            "name": name,
            "cells": [
                {"text": number(value, places), "best": best[column] == row}
                for column, value in enumerate(item.cells[row])
            ],
        }
        for row, name in enumerate(item.rows)
    ]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Two axes: the arms of each cell (several where there are further axes) and their values."""

    rows: Sequence[str]
    columns: Sequence[str]
    arms: Mapping[tuple[str, str], Sequence[str]]
    values: Mapping[str, Sequence[float]]
    sign: float

    def over(self, *cells: tuple[float, str, str], level: float = LEVEL) -> Contrast:
        """A contrast of cells, each a weight, a row and a column."""
        weights = {
            arm: weight / len(self.arms[row, column])
            for weight, row, column in cells
            for arm in self.arms[row, column]
        }
        return contrast(weights, self.values, level=level)

    def lead(self, row: str, other: str, column: str) -> Contrast:
        """By how much `row` is better than `other`; the leads of a table share one level."""
        count = math.comb(len(self.rows), 2) * len(self.columns)
        own, rival = (-self.sign, row, column), (self.sign, other, column)
        return self.over(own, rival, level=LEVEL / count)

    def ranked(self, column: str) -> list[str]:
        """The rows, best first."""
        return sorted(self.rows, key=lambda row: self.sign * self.over((1.0, row, column)).value)

    def overall(self) -> str:
        """The row that is best on average over the columns."""
        share = 1 / len(self.columns)
        means = {
            row: self.over(*((share, row, column) for column in self.columns)).value
            for row in self.rows
        }
        return min(self.rows, key=lambda row: self.sign * means[row])

    def largest(self) -> tuple[Contrast, str]:
        """The largest interaction, and where it is; all interactions share one level."""
        pairs = [list(itertools.combinations(axis, 2)) for axis in (self.rows, self.columns)]
        level = LEVEL / (len(pairs[0]) * len(pairs[1]))
        found = []
        for (one, other), (here, there) in itertools.product(*pairs):
            for row, rival in ((one, other), (other, one)):
                gain = (-self.sign, row, here), (self.sign, rival, here)
                beside = (self.sign, row, there), (-self.sign, rival, there)
                where = f"{row} over {rival} with {here} rather than {there}"
                found.append((self.over(*gain, *beside, level=level), where))
        return max(found, key=lambda item: item[0].value)


def _interaction(first: str, second: str, table: _Table, margin: float) -> Interaction:
    best = []
    for column in table.columns:
        value, runner_up, *_ = table.ranked(column)
        lead = table.lead(value, runner_up, column)
        best.append(Best(beside=column, value=value, second=runner_up, lead=lead))
    overall, (largest, where) = table.overall(), table.largest()
    depends = _depends(table, best, overall, margin)
    return Interaction(
        first=first,
        second=second,
        rows=tuple(table.rows),
        columns=tuple(table.columns),
        cells=tuple(
            tuple(table.over((1.0, row, column)).value for column in table.columns)
            for row in table.rows
        ),
        best=tuple(best),
        largest=largest,
        where=where,
        depends=depends,
        words=_words((first, second), best, overall, depends),
    )


def _depends(table: _Table, best: Sequence[Best], overall: str, margin: float) -> str:
    """Whether the best row differs between columns; no: `overall` is nowhere worse than another."""
    worse = [
        table.lead(row, overall, column)
        for column in table.columns
        for row in table.rows
        if row != overall
    ]
    if all(item.high is not None and item.high <= margin for item in worse):
        return "no"
    for one, other in itertools.combinations(best, 2):
        if one.value != other.value:
            here = table.lead(one.value, other.value, one.beside)
            there = table.lead(other.value, one.value, other.beside)
            if all(item.above and item.value > margin for item in (here, there)):
                return "yes"
    return "not settled"


def _words(keys: tuple[str, str], best: Sequence[Best], overall: str, depends: str) -> str:
    first, second = keys
    if depends == "no":
        same = {item.value for item in best} == {overall}
        return f"{overall} is {'' if same else 'practically '}the best {first} with every {second}"
    each = ", ".join(f"{item.value} with {item.beside}" for item in best)
    if depends == "yes":
        return f"the best {first} depends on {second}: {each}"
    if {item.value for item in best} == {overall}:
        return f"{overall} looks best with every {second}, but not all its leads exceed their noise"
    return (
        f"the best {first} looks different beside other values of {second} ({each}), but the leads"
        " are not all larger than their noise"
    )


def _text(arm: Arm, key: str) -> str:
    """A compared value as text; where the arm does not set the key, what its study says."""
    value = arm.compared.get(key, "not set")
    return str(value).lower() if isinstance(value, bool) else str(value)
