"""Adam and AdamW, as in torch.optim: weight decay is coupled (L2) in Adam, decoupled in AdamW.

https://arxiv.org/abs/1412.6980 and https://arxiv.org/abs/1711.05101; AdamW multiplies matrices by
1 - lr * weight_decay in each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from selector.train.layout import Layout
from selector.train.optimizer.base import Optimizer, Piece


def adam_update(
    pieces: Sequence[Piece],
    state: slice,
    *,
    rate: Tensor,
    weight_decay: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    count: Tensor,
    active: Tensor,
    decoupled: bool,
) -> None:
    """One step of Adam or AdamW on some pieces, whose state[state] are both moments.

    Args:
        pieces: what to update.
        state: where in a piece's state the first and second moment are.
        rate: [K], learning rates, 0 for inactive slots.
        weight_decay: [K].
        beta1: [K], decay of the first moment.
        beta2: [K], decay of the second moment.
        eps: [K], added to the root of the second moment.
        count: [K], the step's number, from 1.
        active: bool [K].
        decoupled: AdamW's weight decay rather than Adam's.
    """
    dtype = pieces[0].parameters.dtype if pieces else torch.float32

    def column(coefficient: Tensor, neutral: float) -> Tensor:
        return torch.where(active, coefficient, neutral).to(dtype).unsqueeze(1)

    new1, new2 = column(1 - beta1, 0.0), column(1 - beta2, 0.0)
    root = column((1 - beta2**count).rsqrt(), 1.0)
    step = column(-rate / (1 - beta1**count), 0.0)
    eps = column(eps, 1.0)
    shrink, pull = column(1 - rate * weight_decay, 1.0), column(weight_decay, 0.0)
    for piece in pieces:
        parameters, gradients, scratch = piece.parameters, piece.gradients, piece.scratch
        first, second = piece.state[state]
        if piece.decayed and decoupled:
            parameters.mul_(shrink)
        elif piece.decayed:
            gradients.addcmul_(parameters, pull)
        first.lerp_(gradients, new1)
        torch.mul(gradients, gradients, out=scratch)
        second.lerp_(scratch, new2)
        torch.sqrt(second, out=scratch)
        scratch.mul_(root).add_(eps)
        torch.div(first, scratch, out=scratch)
        parameters.addcmul_(scratch, step)


class Adam(Optimizer):
    """Adam with coupled weight decay."""

    settings = ("beta1", "beta2", "eps")
    buffers = ("first", "second")
    decoupled: ClassVar[bool] = False

    def __init__(self, layout: Layout, parameters: Tensor, gradients: Tensor) -> None:
        super().__init__(layout, parameters, gradients)
        self._pieces = self.pieces(0, layout.size)

    def step(self, factor: Tensor, count: Tensor, active: Tensor) -> None:
        """See the base class."""
        values = self.values
        adam_update(
            self._pieces,
            slice(0, 2),
            rate=self.rate(factor, active),
            weight_decay=values["weight_decay"],
            beta1=values["beta1"],
            beta2=values["beta2"],
            eps=values["eps"],
            count=count,
            active=active,
            decoupled=self.decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    decoupled = True
