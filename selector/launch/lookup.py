"""What a table says of a configuration: the rows that agree with it, a value drawn from them.

Words, and numbers that are names (scale exact), must agree; scaled numbers need not be in it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.config.decode import Mistakes
from selector.config.identity import digest, plain
from selector.config.limits import is_number
from selector.config.objective import Objective
from selector.config.technique import Value
from selector.errors import DataError, InputError
from selector.launch.rows import Rows
from selector.launch.table import Table, read_table

#: An unscaled number is taken as logarithmic where its rows span this factor: rates do, shares not.
_LOG_SPAN = 10.0
_SAME = 1e-9  # numbers this close, relative to their size, are one number
_MOST_KEPT = 64
_KEPT: dict[str, Lookup] = {}
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run of the table reports."""

    value: float
    """Not finite where the run diverged."""
    horizon: float | None
    """Length of the rows it was taken from, in the horizon column's unit."""


class Lookup:
    """Looks up configurations in a table.

    Args:
        table: The rows.
        objective: Which columns mean what; its parameters' kinds say which columns are numbers.

    Raises:
        InputError: everything that is wrong with the columns.
    """

    def __init__(self, table: Table, objective: Objective) -> None:
        self.table, self.objective = table, objective
        mistakes = Mistakes()
        values = self._numbers(objective.metric, mistakes)
        words: dict[str, tuple[str, ...]] = {}
        numbers: dict[str, tuple[float | None, ...]] = {}
        for name, value in objective.parameters.items():
            if is_number(value):
                numbers[name] = self._numbers(name, mistakes)
            elif isinstance(value, tuple):
                mistakes.add(f"objective.parameters.{name}", "a list selects no row")
            else:
                words[name] = self._column(name, mistakes)
        horizons = self._numbers(objective.horizon, mistakes) if objective.horizon else ()
        if any(number is not None and not 0 < number < math.inf for number in horizons):
            text = "expected lengths above 0"
            mistakes.add(f"{table.path}: column {self._name(objective.horizon)}", text)
        mistakes.raise_if_any()
        kept = [
            row
            for row, value in enumerate(values)
            if value is not None and (not horizons or horizons[row] is not None)
        ]
        if not kept:
            raise DataError(f"{table.path}: no row has a {self._name(objective.metric)}")
        self.left_out = len(table) - len(kept)
        """Rows without a result or a length."""
        self._values = _array([values[row] for row in kept])
        self._words = {name: [c[row] for row in kept] for name, c in words.items()}
        self._cells = {name: _array([c[row] for row in kept]) for name, c in numbers.items()}
        self._horizons = _array([horizons[row] for row in kept]) if horizons else None
        self._agreed: dict[tuple[Any, ...], Rows] = {}

    def at(self, parameters: Mapping[str, Value], tokens: int, seed: int) -> Found:
        """The value of a run.

        Raises:
            DataError: no row agrees with the parameters.
        """
        rows = self.rows(parameters, tokens)
        point = [float(parameters[name]) for name in rows.names]  # type: ignore[arg-type]
        generator = random.Random(f"{seed}/{point}/{rows.place}")
        noise = self.objective.noise
        interpolate = self.objective.lookup == "interpolate"
        if interpolate:
            value = rows.interpolated(point)
            spread = rows.spread if noise == "rows" else noise
        elif noise == "rows":
            value, spread = generator.choice(list(rows.nearest(point))), 0.0
        else:
            value, spread = float(np.mean(rows.nearest(point))), noise
        if spread and math.isfinite(value):
            value += generator.gauss(0.0, float(spread))
        return Found(value=value, horizon=rows.horizon)

    def rows(self, parameters: Mapping[str, Value], tokens: int) -> Rows:
        """The rows that agree with the parameters, at the horizon nearest to `tokens`.

        Raises:
            DataError: there are none; every parameter with which none agrees is named.
        """
        exact = tuple(
            (name, value) for name, value in parameters.items() if not self._scaled(name, value)
        )
        place = (exact, tokens if self._horizons is not None else 0)
        if place not in self._agreed:
            self._agreed[place] = self._select(parameters, dict(exact), tokens)
        return self._agreed[place]

    def _select(
        self, parameters: Mapping[str, Value], exact: Mapping[str, Value], tokens: int
    ) -> Rows:
        rows = np.ones(len(self._values), dtype=bool)
        alone = []
        for name, value in exact.items():
            agree = self._agree(name, value)
            rows &= agree
            if not agree.any():
                alone.append(self._nothing(name, value))
        if alone:
            raise DataError(alone)
        if not rows.any():
            said = ", ".join(f"{name}={value}" for name, value in exact.items())
            raise DataError(f"{self.table.path}: no row has all of {said}")
        horizon = None
        if self._horizons is not None:
            lengths = np.unique(self._horizons[rows])
            asked = math.log(tokens / self.objective.horizon_tokens)
            horizon = float(lengths[np.argmin(np.abs(np.log(lengths) - asked))])
            rows &= self._horizons == horizon
        names = []
        for name in parameters:
            if name in exact:
                continue
            cells = self._cells[name]
            if np.isnan(cells[rows]).all():  # a setting that these rows do not have
                continue
            rows &= np.isfinite(cells)
            names.append(name)
        if not rows.any():
            raise DataError(f"{self.table.path}: no row has numbers for all of {', '.join(names)}")
        count = int(rows.sum())
        return Rows(
            names=tuple(names),
            logs=tuple(self._log(name, self._cells[name][rows]) for name in names),
            cells=np.array([self._cells[name][rows] for name in names])
            .reshape(len(names), count)
            .T,
            values=self._values[rows],
            horizon=horizon,
            place=(tuple(exact.items()), horizon),
        )

    def _scaled(self, name: str, value: Value) -> bool:
        return is_number(value) and self.objective.scales.get(name) != "exact"

    def _agree(self, name: str, value: Value) -> npt.NDArray[np.bool_]:
        if is_number(value):
            cells, number = self._cells[name], float(value)
            return np.asarray(np.abs(cells - number) <= _SAME * np.abs(cells))
        if isinstance(value, bool):
            value = str(value).lower()
            return np.array([cell.lower() == value for cell in self._words[name]], dtype=bool)
        return np.array([cell == value for cell in self._words[name]], dtype=bool)

    def _log(self, name: str, cells: _Array) -> bool:
        scale = self.objective.scales.get(name)
        if scale is None:
            return bool(cells.min() > 0 and cells.max() >= _LOG_SPAN * cells.min())
        if scale == "log" and cells.min() <= 0:
            column = self._name(name)
            raise DataError(
                f"{self.table.path}: column {column}: a log scale needs numbers above 0, got"
                f" {cells.min():g}; scales.{name}=linear"
            )
        return scale == "log"

    def _nothing(self, name: str, value: Value) -> str:
        known: Sequence[Any]
        if is_number(value):
            cells = self._cells[name]
            known = [f"{number:g}" for number in np.unique(cells[np.isfinite(cells)])]
        else:
            known = sorted({cell or "''" for cell in self._words[name]})
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if known[12:] else "")
        return f"objective.parameters.{name}: no row has {value!r}; there are {shown or 'none'}"

    def _name(self, name: str) -> str:
        return self.objective.columns.get(name, name)

    def _column(self, name: str, mistakes: Mistakes) -> tuple[str, ...]:
        try:
            return self.table.column(self._name(name))
        except InputError as error:
            mistakes.lines += error.mistakes
            return ()

    def _numbers(self, name: str, mistakes: Mistakes) -> tuple[float | None, ...]:
        try:
            return self.table.numbers(self._name(name))
        except InputError as error:
            mistakes.lines += error.mistakes
            return ()


def lookup_for(objective: Objective) -> Lookup:
    """The lookup of an objective, kept for objectives that differ in parameters' values only.

    Raises:
        InputError: what is wrong with the table or its columns.
    """
    table = read_table(objective.table)
    kinds = {name: is_number(value) for name, value in objective.parameters.items()}
    key = digest({**plain(objective), "parameters": kinds, "fingerprint": table.fingerprint})
    if key not in _KEPT:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[key] = Lookup(table, objective)
    return _KEPT[key]


def _array(items: Sequence[float | None]) -> _Array:
    return np.array([math.nan if item is None else item for item in items], dtype=np.float64)
