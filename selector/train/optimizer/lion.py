"""Lion: the sign of an interpolated momentum; decoupled weight decay. https://arxiv.org/abs/2302.06675"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from selector.train.layout import Layout
from selector.train.optimizer.base import Optimizer
from selector.train.optimizer.groups import Group
from selector.train.optimizer.step import Step


class Lion(Optimizer):
    """Step -lr * sign(beta1 * m + (1 - beta1) * g); then m = beta2 * m + (1 - beta2) * g."""

    settings = ("beta1", "beta2")
    buffers = ("momentum",)

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
        super().__init__(layout, parameters, gradients, groups)
        self._pieces = self.pieces()

    def update(self, step: Step) -> None:
        """See the base class."""
        moves = step.columns(-step.rate)
        now, later = (step.column(1 - self.values[beta], 0.0) for beta in ("beta1", "beta2"))
        for piece in self._pieces:
            (momentum,) = piece.state
            step.decay(piece.parameters, piece.gradients, piece.treatment)
            direction = torch.lerp(momentum, piece.gradients, now, out=piece.scratch).sign_()
            piece.parameters.addcmul_(direction, moves[piece.treatment])
            momentum.lerp_(piece.gradients, later)
