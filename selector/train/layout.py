"""Where each parameter of a model lies in one flat row of numbers, and in which order.

A bank keeps all parameters of a run in one row, so that an optimizer's elementwise work is a few
long operations instead of many short ones. The order puts together what optimizers treat alike:
hidden matrices first (equal shapes side by side), then embeddings and head, then vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Section = Literal["hidden", "embedding", "vector"]
_SECTIONS: tuple[Section, ...] = ("hidden", "embedding", "vector")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a model: its shape, its role, and how it is drawn."""

    name: str
    shape: tuple[int, ...]
    section: Section
    """hidden: a matrix between hidden activations; embedding: a table or the head; vector: 1-D."""
    std: float = 0.0
    """Standard deviation of the initial values, which are normal; 0: they are all `mean`."""
    mean: float = 0.0
    stacked: int = 1
    """How many matrices of their own are stacked along the first dimension (3 in a fused qkv)."""

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Matrices:
    """Neighbours in the row that hold matrices of one shape: `count` times `rows` x `columns`."""

    start: int
    stop: int
    count: int
    rows: int
    columns: int


class Layout:
    """The order and the offsets of a model's parameters in a row of `size` values."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(
            sorted(
                parameters,
                key=lambda item: (_SECTIONS.index(item.section), item.shape, item.stacked),
            )
        )
        self.offsets: dict[str, int] = {}
        ends = dict.fromkeys(_SECTIONS, 0)
        offset = 0
        for parameter in self.parameters:
            self.offsets[parameter.name] = offset
            offset += parameter.size
            ends[parameter.section] = offset
        self.size = offset
        self.hidden_stop = ends["hidden"]
        self.decayed_stop = max(ends["hidden"], ends["embedding"])
        """Everything before this offset is a matrix, and only matrices get weight decay."""

    def views(self, row: Tensor) -> dict[str, Tensor]:
        """Views of `row`, [..., size], as one tensor [..., *shape] for each parameter."""
        return {
            item.name: row.narrow(-1, self.offsets[item.name], item.size).view(
                *row.shape[:-1], *item.shape
            )
            for item in self.parameters
        }

    def hidden_matrices(self) -> list[Matrices]:
        """The hidden matrices, neighbours of one shape together."""
        groups: list[Matrices] = []
        for parameter in self.parameters:
            if parameter.section != "hidden":
                continue
            rows, columns = parameter.shape[0] // parameter.stacked, parameter.shape[1]
            start = self.offsets[parameter.name]
            count = parameter.stacked
            if groups and (groups[-1].rows, groups[-1].columns) == (rows, columns):
                start, count = groups[-1].start, groups[-1].count + count
                groups.pop()
            groups.append(
                Matrices(
                    start=start,
                    stop=start + count * rows * columns,
                    count=count,
                    rows=rows,
                    columns=columns,
                )
            )
        return groups
