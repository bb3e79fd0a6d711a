"""Adam, AdamW and NAdamW, as in torch.optim.

https://arxiv.org/abs/1412.6980 and https://arxiv.org/abs/1711.05101: one rule, whose weight decay
is coupled in Adam and decoupled in AdamW. NAdamW has Nesterov momentum (Dozat 2016,
https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from selector.train.layout import Layout, Parameter
from selector.train.optimizer.base import Elementwise, Piece
from selector.train.optimizer.step import Step


def adam_update(
    pieces: Sequence[Piece],
    state: slice,
    step: Step,
    *,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
) -> None:
    """One step of Adam on some pieces, whose state[state] are both moments.

    Args:
        pieces: what to update.
        state: where in a piece's state the first and second moment are.
        step: the rates and the weight decay.
        beta1: [K], decay of the first moment.
        beta2: [K], decay of the second moment.
        eps: [K], added to the root of the second moment.
    """
    new1, new2 = step.column(1 - beta1, 0.0), step.column(1 - beta2, 0.0)
    root = step.column((1 - beta2**step.count).rsqrt(), 1.0)
    moves = step.columns(-step.rate / (1 - beta1**step.count))
    eps = step.column(eps, 1.0)
    for piece in pieces:
        parameters, gradients, scratch = piece.parameters, piece.gradients, piece.scratch
        first, second = piece.state[state]
        step.decay(parameters, gradients, piece.treatment)
        first.lerp_(gradients, new1)
        torch.mul(gradients, gradients, out=scratch)
        second.lerp_(scratch, new2)
        torch.sqrt(second, out=scratch)
        scratch.mul_(root).add_(eps)
        torch.div(first, scratch, out=scratch)
        parameters.addcmul_(scratch, moves[piece.treatment])


class Adam(Elementwise):
    """Both moments, corrected for their start at zero: Adam, and AdamW."""

    settings: ClassVar[tuple[str, ...]] = ("beta1", "beta2", "eps")
    buffers = ("first", "second")

    def update(self, step: Step) -> None:
        """See the base class."""
        values = self.values
        adam_update(
            self._pieces,
            slice(0, 2),
            step,
            beta1=values["beta1"],
            beta2=values["beta2"],
            eps=values["eps"],
        )


class NAdamW(Adam):
    """Adam with Nesterov momentum: its first moment is the one expected after the next step.

    The momentum of step t is beta1 * (1 - .96 ** (t * momentum_decay) / 2), as in torch's NAdam.
    """

    settings = ("beta1", "beta2", "eps", "momentum_decay")

    def state_layouts(self) -> dict[str, Layout]:
        """The moments, and in `missing` one minus the product of all momenta so far."""
        whole = Parameter(name="run", shape=(1,), section="vector")
        return {**super().state_layouts(), "missing": Layout([whole])}

    def update(self, step: Step) -> None:
        """See the base class."""
        values, count = self.values, step.count
        beta1, beta2 = values["beta1"], values["beta2"]
        now, next_one = (
            beta1 * (1 - 0.5 * 0.96 ** (at * values["momentum_decay"])) for at in (count, count + 1)
        )
        missing = self.state["missing"]
        missing.lerp_(torch.ones_like(missing), step.column(1 - now, 0.0))
        so_far = missing.squeeze(1).to(now.dtype)
        after = so_far + (1 - so_far) * (1 - next_one)
        own = step.columns(-step.rate * (1 - now) / so_far)
        carried = step.columns(-step.rate * next_one / after)
        new1, new2 = step.column(1 - beta1, 0.0), step.column(1 - beta2, 0.0)
        root = step.column((1 - beta2**count).rsqrt(), 1.0)
        eps = step.column(values["eps"], 1.0)
        for piece in self._pieces:
            parameters, gradients, scratch = piece.parameters, piece.gradients, piece.scratch
            first, second = piece.state
            step.decay(parameters, gradients, piece.treatment)
            first.lerp_(gradients, new1)
            torch.mul(gradients, gradients, out=scratch)
            second.lerp_(scratch, new2)
            gradients.mul_(own[piece.treatment]).addcmul_(first, carried[piece.treatment])
            torch.sqrt(second, out=scratch)
            parameters.addcdiv_(gradients, scratch.mul_(root).add_(eps))
