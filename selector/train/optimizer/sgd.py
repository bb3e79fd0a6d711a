"""Stochastic gradient descent with momentum, as torch.optim.SGD."""

from __future__ import annotations

import torch

from selector.train.optimizer.base import Elementwise
from selector.train.optimizer.step import Step


class SGD(Elementwise):
    """Buffer b = momentum * b + g; the step is -lr * b, or -lr * (g + momentum * b) (Nesterov)."""

    settings = ("momentum", "nesterov")
    buffers = ("momentum",)

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
