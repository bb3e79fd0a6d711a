"""Least squares for y = E + A u^-alpha + B v^-beta with nothing below zero, by variable projection.

With both exponents given, E, A and B follow from non-negative least squares, so that only the
exponents are searched: over a grid, which is then refined around its best point. Many y at once:
the rows of a bootstrap. numpy only.
"""

from __future__ import annotations

import itertools

import numpy
from numpy.typing import NDArray

Array = NDArray[numpy.float64]

#: Where exponents are searched.
EXPONENTS = (0.03, 2.0)
_GRID = 28
_ROUNDS, _SHRINK = 24, 0.7
_FACES = [face for size in (1, 2, 3) for face in itertools.combinations(range(3), size)]


def search(u: Array, v: Array, y: Array) -> tuple[Array, Array]:
    """For each row of y [s, n]: E, A, alpha, B, beta of scaled sizes [s, 5], and fits [s, n]."""
    line = numpy.log(numpy.geomspace(*EXPONENTS, _GRID))
    alphas, betas = (item.ravel() for item in numpy.meshgrid(line, line, indexing="ij"))
    squares, _ = _project(
        u ** -numpy.exp(alphas)[:, None], v ** -numpy.exp(betas)[:, None], y[None]
    )
    place = squares.argmin(axis=0)
    centre = numpy.stack([alphas[place], betas[place]], axis=1)
    rows = numpy.arange(len(y))
    step = float(line[1] - line[0])
    around = numpy.array(list(itertools.product((-1.0, -0.5, 0.0, 0.5, 1.0), repeat=2)))
    coefficients = numpy.zeros((len(y), 3))
    for _ in range(_ROUNDS):
        tried = numpy.clip(centre[:, None] + step * around, line[0], line[-1])  # [s, 25, 2]
        flat = numpy.exp(tried.reshape(-1, 2))
        columns = u ** -flat[:, :1], v ** -flat[:, 1:]
        squares, found = _project(*columns, numpy.repeat(y, len(around), axis=0)[:, None])
        place = squares.reshape(len(y), -1).argmin(axis=1)
        centre = tried[rows, place]
        coefficients = found.reshape(len(y), len(around), 3)[rows, place]
        step *= _SHRINK
    exponents = numpy.exp(centre)
    fitted = (
        coefficients[:, :1]
        + coefficients[:, 1:2] * u ** -exponents[:, :1]
        + coefficients[:, 2:] * v ** -exponents[:, 1:]
    )
    e, a, b = coefficients.T
    return numpy.stack([e, a, exponents[:, 0], b, exponents[:, 1]], axis=1), fitted


def _project(x: Array, z: Array, y: Array) -> tuple[Array, Array]:
    """Non-negative least squares of y [g or 1, s, n] on the columns 1, x, z [g, n].

    Exact, by trying every set of columns: the best of those whose coefficients are all positive.
    Returns the sums of squares [g, s] and the coefficients [g, s, 3].
    """
    columns = numpy.stack([numpy.ones_like(x), x, z], axis=1)  # [g, 3, n]
    gram = columns @ columns.transpose(0, 2, 1)
    right = columns @ y.transpose(0, 2, 1)  # [g, 3, s]
    total = (y**2).sum(axis=2)
    best = numpy.full(right[:, 0].shape, numpy.inf)
    found = numpy.zeros((*best.shape, 3))
    for face in _FACES:
        chosen = list(face)
        part = gram[:, chosen][:, :, chosen]
        part = part + 1e-13 * numpy.eye(len(chosen)) * len(x[0])  # where two columns coincide
        solved = numpy.linalg.solve(part, right[:, chosen])  # [g, k, s]
        squares = total - (solved * right[:, chosen]).sum(axis=1)
        better = (solved >= 0).all(axis=1) & (squares < best)
        best = numpy.where(better, squares, best)
        wide = numpy.zeros((*best.shape, 3))
        wide[..., chosen] = solved.transpose(0, 2, 1)
        found = numpy.where(better[..., None], wide, found)
    return best, found
