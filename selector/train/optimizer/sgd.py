"""Stochastic gradient descent with momentum, as torch.optim.SGD."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from selector.train.layout import Layout
from selector.train.optimizer.base import Optimizer
from selector.train.optimizer.groups import Group
from selector.train.optimizer.step import Step


class SGD(Optimizer):
    """Buffer b = momentum * b + g; the step is -lr * b, or -lr * (g + momentum * b) (Nesterov)."""

    settings = ("momentum", "nesterov")
    buffers = ("momentum",)

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
        super().__init__(layout, parameters, gradients, groups)
        self._pieces = self.pieces()

    def update(self, step: Step) -> None:
        """See the base class."""
        values = self.values
        moves = step.columns(-step.rate)
        momentum = step.column(values["momentum"], 1.0)
        # The direction is own * g + carried * b with b already updated.
        nesterov = values["nesterov"] > 0
        own = step.column(torch.where(nesterov, 1.0, 0.0), 0.0)
        carried = step.column(torch.where(nesterov, values["momentum"], 1.0), 0.0)
        for piece in self._pieces:
            gradients, (buffer,) = piece.gradients, piece.state
            step.decay(piece.parameters, gradients, piece.treatment)
            buffer.mul_(momentum).add_(gradients)
            direction = torch.mul(buffer, carried, out=piece.scratch)
            direction.addcmul_(gradients, own)
            piece.parameters.addcmul_(direction, moves[piece.treatment])
