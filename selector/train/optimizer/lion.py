"""Lion: the sign of an interpolated momentum; decoupled weight decay. https://arxiv.org/abs/2302.06675"""

from __future__ import annotations

import torch

from selector.train.optimizer.base import Elementwise
from selector.train.optimizer.step import Step


class Lion(Elementwise):
    """Step -lr * sign(beta1 * m + (1 - beta1) * g); then m = beta2 * m + (1 - beta2) * g."""

    settings = ("beta1", "beta2")
    buffers = ("momentum",)

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
