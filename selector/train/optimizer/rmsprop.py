"""RMSprop and Adagrad, as in torch.optim: gradients divided by the root of their squares so far.

RMSprop averages the squares (Hinton's lecture 6e,
https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf), Adagrad adds them up
(https://jmlr.org/papers/v12/duchi11a.html).
"""

from __future__ import annotations

import torch

from selector.train.optimizer.base import Elementwise
from selector.train.optimizer.step import Step


class RMSprop(Elementwise):
    """Buffer b = momentum * b + g / (sqrt(v) + eps); the step is -lr * b."""

    settings = ("beta2", "eps", "momentum")
    buffers = ("second", "momentum")

    def update(self, step: Step) -> None:
        """See the base class."""
        values = self.values
        moves = step.columns(-step.rate)
        new = step.column(1 - values["beta2"], 0.0)
        eps, momentum = step.column(values["eps"], 1.0), step.column(values["momentum"], 1.0)
        for piece in self._pieces:
            gradients, scratch, (second, buffer) = piece.gradients, piece.scratch, piece.state
            step.decay(piece.parameters, gradients, piece.treatment)
            torch.mul(gradients, gradients, out=scratch)
            second.lerp_(scratch, new)
            torch.sqrt(second, out=scratch)
            buffer.mul_(momentum).addcdiv_(gradients, scratch.add_(eps))
            piece.parameters.addcmul_(buffer, moves[piece.treatment])


class Adagrad(Elementwise):
    """The step is -lr * g / (sqrt(sum of all g * g) + eps)."""

    settings = ("eps",)
    buffers = ("sum",)

    def update(self, step: Step) -> None:
        """See the base class."""
        moves = step.columns(-step.rate)
        eps = step.column(self.values["eps"], 1.0)
        for piece in self._pieces:
            gradients, scratch, (total,) = piece.gradients, piece.scratch, piece.state
            step.decay(piece.parameters, gradients, piece.treatment)
            total.addcmul_(gradients, gradients)
            torch.sqrt(total, out=scratch)
            torch.div(gradients, scratch.add_(eps), out=scratch)
            piece.parameters.addcmul_(scratch, moves[piece.treatment])
