"""Interactions between two compared axes: does the best value of one depend on the other?

For two axes whose product was studied, with m the mean of a cell, the contrast of two values of
each is (m11 - m21) - (m12 - m22): how much what the first axis brings differs between two values of
the second. All contrasts of a table share the level of 5 % (Bonferroni), as their number is
known beforehand. The best value *depends* on the other axis only where it differs and both
leads that say so are clear: a difference in size alone changes no advice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.report.digits import decimals_for, number
from selector.study.answer import Answer
from selector.study.contrast import Contrast, contrast
from selector.study.study import Arm, Study
from selector.study.verdict import LEVEL


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
    """The interaction contrast that is furthest from 0, at the shared level."""
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
    values = {cell: verdict.estimates[name].values for cell, name in cells.items()}
    sign = 1.0 if study.minimize else -1.0
    found = []
    for one, other in itertools.combinations(axes, 2):
        places = list(axes).index(one), list(axes).index(other)
        table = [
            [
                [item for cell, item in values.items() if (cell[places[0]], cell[places[1]]) == at]
                for at in ((row, column) for column in axes[other])
            ]
            for row in axes[one]
        ]
        found.append(_interaction((one, other), axes, table, sign, verdict.margin))
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


#: The arms of one cell: several where there are further axes. Values by unit in each.
_Cell = Sequence[Sequence[float]]


def _interaction(
    keys: tuple[str, str],
    axes: Mapping[str, Sequence[str]],
    table: Sequence[Sequence[_Cell]],
    sign: float,
    margin: float,
) -> Interaction:
    """Two axes, given the cells of their table by row and column."""
    rows, columns = axes[keys[0]], axes[keys[1]]
    everyone = [arm for line in table for cell in line for arm in cell]

    def over(terms: Sequence[tuple[float, _Cell]], level: float = LEVEL) -> Contrast:
        arms = [(weight / len(cell), arm) for weight, cell in terms for arm in cell]
        return contrast(arms, everyone, level=level)

    def lead(row: int, other: int, column: int, level: float) -> Contrast:
        return over([(sign, table[other][column]), (-sign, table[row][column])], level)

    cells = [[over([(1.0, cell)]).value for cell in line] for line in table]
    shared = LEVEL / (math.comb(len(rows), 2) * len(columns))
    best, leads = [], []
    for column, beside in enumerate(columns):
        heights = [sign * line[column] for line in cells]
        order = sorted(range(len(rows)), key=heights.__getitem__)
        ahead = lead(order[0], order[1], column, shared)
        best.append(Best(beside=beside, value=rows[order[0]], second=rows[order[1]], lead=ahead))
        leads.append(order[0])
    squares = list(
        itertools.product(
            itertools.combinations(range(len(rows)), 2),
            itertools.combinations(range(len(columns)), 2),
        )
    )
    contrasts = []
    for (a, b), (here, there) in squares:
        terms = [(sign, table[b][here]), (-sign, table[a][here])]
        terms += [(-sign, table[b][there]), (sign, table[a][there])]
        contrasts.append(over(terms, LEVEL / len(squares)))
    place = max(range(len(squares)), key=lambda item: abs(contrasts[item].value))
    (one, other), (here, there) = squares[place]
    means = [math.fsum(line) for line in cells]
    overall = min(range(len(rows)), key=lambda row: sign * means[row])
    depends = _depends(leads, overall, lead, margin, shared)
    return Interaction(
        first=keys[0],
        second=keys[1],
        rows=tuple(rows),
        columns=tuple(columns),
        cells=tuple(map(tuple, cells)),
        best=tuple(best),
        largest=contrasts[place],
        where=f"{rows[one]} over {rows[other]} with {columns[here]} rather than {columns[there]}",
        depends=depends,
        words=_words(keys, best, rows[overall], depends),
    )


def _depends(
    leads: Sequence[int],
    overall: int,
    lead: Callable[[int, int, int, float], Contrast],
    margin: float,
    level: float,
) -> str:
    """Whether the best row differs between columns; `leads` is the best row of each."""
    apart = [
        lead(row, overall, column, level) for column, row in enumerate(leads) if row != overall
    ]
    if all(item.within(margin) for item in apart):  # also where all agree
        return "no"
    for (at, one), (beside, other) in itertools.combinations(enumerate(leads), 2):
        both = (lead(one, other, at, level), lead(other, one, beside, level))
        if one != other and all(item.above and item.value > margin for item in both):
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
    return (
        f"the best {first} looks different beside other values of {second} ({each}), but the leads"
        " are not all larger than their noise"
    )


def _text(arm: Arm, key: str) -> str:
    """A compared value as text; where the arm does not set the key, what its study says."""
    value = arm.compared.get(key, "not set")
    return str(value).lower() if isinstance(value, bool) else str(value)
