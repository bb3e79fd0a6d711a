"""Lion: the sign of an interpolated momentum; decoupled weight decay. https://arxiv.org/abs/2302.06675"""

from __future__ import annotations

import torch
from torch import Tensor

from selector.train.layout import Layout
from selector.train.optimizer.base import Optimizer


class Lion(Optimizer):
    """Step -lr * sign(beta1 * m + (1 - beta1) * g); then m = beta2 * m + (1 - beta2) * g."""

    settings = ("beta1", "beta2")
    buffers = ("momentum",)

    def __init__(self, layout: Layout, parameters: Tensor, gradients: Tensor) -> None:
        super().__init__(layout, parameters, gradients)
        self._pieces = self.pieces(0, layout.size)

    def step(self, factor: Tensor, count: Tensor, active: Tensor) -> None:
        """See the base class."""
        rate, values = self.rate(factor, active), self.values
        step = self.column(-rate)
        shrink = self.column(1 - rate * values["weight_decay"])
        now, later = (
            self.column(torch.where(active, 1 - values[beta], 0.0)) for beta in ("beta1", "beta2")
        )
        for piece in self._pieces:
            (momentum,) = piece.state
            if piece.decayed:
                piece.parameters.mul_(shrink)
            direction = torch.lerp(momentum, piece.gradients, now, out=piece.scratch).sign_()
            piece.parameters.addcmul_(direction, step)
            momentum.lerp_(piece.gradients, later)
