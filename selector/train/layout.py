"""Where each parameter of a model lies in one flat row of numbers, and in which order.

A bank keeps all parameters of a run in one row, so that an optimizer's elementwise work is a few
long operations instead of many short ones. The order puts together what optimizers treat alike:
hidden matrices first (equal shapes side by side), then the head, embeddings, and vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

Section = Literal["hidden", "head", "embedding", "vector"]
SECTIONS: tuple[Section, ...] = ("hidden", "head", "embedding", "vector")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a model: its shape, its role, and how it is drawn."""

    name: str
    shape: tuple[int, ...]
    section: Section
    """hidden: a matrix between hidden activations; head: an output projection of its own;
    embedding: a table, which may be the head too; vector: 1-D."""
    std: float = 0.0
    """Standard deviation of the initial values, which are normal; 0: they are all `mean`."""
    mean: float = 0.0
    stacked: int = 1
    """How many matrices of their own are stacked along the first dimension (3 in a fused qkv)."""
    products: int = 1
    """How many products it takes part in, with as many of its rows each: a layer's experts."""

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Neighbours in the row of one shape: `count` matrices or vectors, side by side."""

    start: int
    stop: int
    count: int
    shape: tuple[int, ...]
    names: tuple[str, ...]
    label: int


class Layout:
    """The order and the offsets of a model's parameters in a row of `size` values.

    Args:
        parameters: of the model.
        ordered: whether they are in their order already.
    """

    def __init__(self, parameters: Sequence[Parameter], *, ordered: bool = False) -> None:
        found = tuple(parameters)
        self.parameters = (
            found
            if ordered
            else tuple(
                sorted(
                    found, key=lambda item: (SECTIONS.index(item.section), item.shape, item.stacked)
                )
            )
        )
        self.offsets: dict[str, int] = {}
        self.size = self.decayed_stop = 0
        """Before the offset `decayed_stop` are matrices alone; vectors get no weight decay."""
        for parameter in self.parameters:
            self.offsets[parameter.name] = self.size
            self.size += parameter.size
            if parameter.section != "vector":
                self.decayed_stop = self.size

    def views(self, row: Tensor) -> dict[str, Tensor]:
        """Views of `row`, [..., size], as one tensor [..., *shape] for each parameter."""
        return {
            item.name: row.narrow(-1, self.offsets[item.name], item.size).view(
                *row.shape[:-1], *item.shape
            )
            for item in self.parameters
        }

    def stacks(self, labels: Mapping[str, int]) -> list[Stack]:
        """The parameters that have a label, neighbours of one shape and label together.

        Matrices that are stacked in a parameter count as matrices of their own.
        """
        found: list[Stack] = []
        for parameter in self.parameters:
            if parameter.name not in labels:
                continue
            first, *rest = parameter.shape
            start = self.offsets[parameter.name]
            new = Stack(
                start=start,
                stop=start + parameter.size,
                count=parameter.stacked,
                shape=(first // parameter.stacked, *rest),
                names=(parameter.name,),
                label=labels[parameter.name],
            )
            last = found[-1] if found else None
            if last and (last.stop, last.shape, last.label) == (start, new.shape, new.label):
                new = replace(
                    new,
                    start=last.start,
                    count=last.count + new.count,
                    names=(*last.names, *new.names),
                )
                found.pop()
            found.append(new)
        return found
