"""Rows of a table that differ in scaled numbers only: the nearest, and a model through them.

A scaled number's coordinate is the number or its logarithm, divided by its spread over the rows;
the model is asked only inside the spread: nothing is extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows that agree in everything but scaled numbers; rows at one point are repeats."""

    names: tuple[str, ...]
    """The scaled numbers."""
    logs: tuple[bool, ...]
    """Which of them have logarithms as coordinates."""
    cells: _Array
    """Their values: [rows, names]."""
    values: _Array
    """The metric: [rows]."""
    horizon: float | None
    place: tuple[Any, ...]
    """What its rows agree in: part of the seed of what is drawn from them."""

    @cached_property
    def repeats(self) -> list[_Array]:
        """The values at each distinct point, in the order of `points`."""
        return [self.values[self._which == place] for place in range(len(self.points))]

    @cached_property
    def spread(self) -> float:
        """Standard deviation of repeated rows around their point's mean; 0 without repeats."""
        several = [values for values in self.repeats if len(values) > 1]
        squares = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
        degrees = sum(len(values) - 1 for values in several)
        return math.sqrt(squares / degrees) if degrees and math.isfinite(squares) else 0.0

    @property
    def points(self) -> _Array:
        """Distinct points in scaled coordinates: [points, names]."""
        return self._distinct[0]

    def nearest(self, point: Sequence[float]) -> _Array:
        """The values of the rows at the nearest point; the first one of equally near ones."""
        squares = ((self.points - self._coordinates([point])) ** 2).sum(axis=1)
        return self.repeats[int(np.argmin(squares))]

    def interpolated(self, point: Sequence[float]) -> float:
        """The model's value; that of the nearest rows where these diverged."""
        near = float(np.mean(self.nearest(point)))
        if not math.isfinite(near):
            return near
        return self._model(tuple(np.clip(self._coordinates([point])[0], self._low, self._high)))

    def reach(self, name: str) -> tuple[float, float]:
        """The smallest and the largest value of a scaled number."""
        cells = self.cells[:, self.names.index(name)]
        return float(cells.min()), float(cells.max())

    def _model(self, coordinates: tuple[float, ...]) -> float:
        if self._fitted is None:
            return float(np.mean(self.values[np.isfinite(self.values)]))
        varied = np.array(coordinates)[self._varied]
        return float(self._fitted(varied[None, :])[0])

    @cached_property
    def _varied(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self._high > self._low)

    @cached_property
    def _fitted(self) -> Any:
        """A thin-plate spline through the points' means (Duchon 1977); None for one point.

        Where the points do not determine its plane, the linear kernel does without one.
        """
        from scipy.interpolate import RBFInterpolator

        means = np.array([values.mean() for values in self.repeats])
        finite = np.isfinite(means)
        points, means = self.points[finite][:, self._varied], means[finite]
        if len(points) < 2 or points.shape[1] == 0:
            return None
        plane = np.column_stack([np.ones(len(points)), points])
        flat = np.linalg.matrix_rank(plane) < plane.shape[1]
        kind: dict[str, Any] = {"kernel": "linear", "degree": 0} if flat else {}
        return RBFInterpolator(points, means, **kind)

    @cached_property
    def _scaled_cells(self) -> _Array:
        scaled = self.cells.copy()
        for place, log in enumerate(self.logs):
            if log:
                scaled[:, place] = np.log(scaled[:, place])
        return scaled

    @cached_property
    def _low(self) -> _Array:
        return np.asarray(self.points.min(axis=0))

    @cached_property
    def _high(self) -> _Array:
        return np.asarray(self.points.max(axis=0))

    @cached_property
    def _spans(self) -> _Array:
        spans = np.ptp(self._scaled_cells, axis=0) if self.names else np.ones(0)
        return np.where(spans > 0, spans, 1.0)

    @cached_property
    def _distinct(self) -> tuple[_Array, npt.NDArray[np.intp]]:
        if not self.names:
            return np.zeros((1, 0)), np.zeros(len(self.values), dtype=np.intp)
        points, which = np.unique(
            np.round(self._scaled_cells / self._spans, 9), axis=0, return_inverse=True
        )
        return points, which.reshape(-1)

    @property
    def _which(self) -> npt.NDArray[np.intp]:
        return self._distinct[1]

    def _coordinates(self, points: Sequence[Sequence[float]]) -> _Array:
        scaled = np.array(points, dtype=float).reshape(len(points), len(self.names))
        for place, log in enumerate(self.logs):
            if log:
                scaled[:, place] = np.log(np.maximum(scaled[:, place], 1e-300))
        return scaled / self._spans
