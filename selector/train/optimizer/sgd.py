"""Stochastic gradient descent with momentum, as torch.optim.SGD: weight decay is coupled (L2)."""

from __future__ import annotations

import torch
from torch import Tensor

from selector.train.layout import Layout
from selector.train.optimizer.base import Optimizer


class SGD(Optimizer):
    """Buffer b = momentum * b + g; the step is -lr * b, or -lr * (g + momentum * b) (Nesterov)."""

    settings = ("momentum", "nesterov")
    buffers = ("momentum",)

    def __init__(self, layout: Layout, parameters: Tensor, gradients: Tensor) -> None:
        super().__init__(layout, parameters, gradients)
        self._pieces = self.pieces(0, layout.size)

    def step(self, factor: Tensor, count: Tensor, active: Tensor) -> None:
        """See the base class."""
        column, values = self.column, self.values
        step = column(-self.rate(factor, active))
        decay = column(torch.where(active, values["weight_decay"], 0.0))
        momentum = column(torch.where(active, values["momentum"], 1.0))
        # The direction is own * g + carried * b with b already updated.
        nesterov = values["nesterov"] > 0
        own = column(torch.where(nesterov, 1.0, 0.0))
        carried = column(torch.where(nesterov, values["momentum"], 1.0))
        for piece in self._pieces:
            parameters, gradients, (buffer,) = piece.parameters, piece.gradients, piece.state
            if piece.decayed:
                gradients.addcmul_(parameters, decay)
            buffer.mul_(momentum).add_(gradients)
            direction = torch.mul(buffer, carried, out=piece.scratch)
            direction.addcmul_(gradients, own)
            parameters.addcmul_(direction, step)
