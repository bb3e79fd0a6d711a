"""Muon on hidden matrices, AdamW on embeddings, head and vectors.

https://kellerjordan.github.io/posts/muon/: Nesterov momentum, orthogonalized by five steps of a
Newton-Schulz iteration. Its `scale` is torch.optim.Muon's adjust_lr_fn: `original` multiplies the
rate by sqrt(max(1, rows / columns)), `match_rms_adamw` by .2 * sqrt(max(rows, columns)), so that
AdamW's rates and decays fit (arXiv 2502.16982). The rule is torch's with two differences: the
iteration runs in the parameters' own arithmetic instead of bfloat16, which a CPU emulates, and the
three matrices in a fused qkv projection are orthogonalized one by one, as the post advises.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from selector.config.limits import WORDS
from selector.train.layout import Layout, Stack
from selector.train.optimizer.adam import adam_update
from selector.train.optimizer.base import Optimizer
from selector.train.optimizer.groups import Group
from selector.train.optimizer.step import Step

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, from the post
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


def orthogonalize(matrices: Tensor) -> Tensor:
    """Newton-Schulz iterations towards the nearest semi-orthogonal matrix, [..., r, c].

    Singular values end near one (about .7 to 1.2), by design not at it.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).flatten(0, -3)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=_SMALLEST_NORM)
    for _ in range(_ITERATIONS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x.view(*matrices.shape[:-2], *x.shape[-2:])
    return x.mT if tall else x


class Muon(Optimizer):
    """The values momentum, lr and weight_decay are Muon's; AdamW's rate is lr * aux_lr_ratio."""

    settings = ("momentum", "scale", "aux_beta1", "aux_beta2", "aux_eps")
    buffers = ("momentum", "second")  # `momentum` is also the first moment of AdamW's part

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
        super().__init__(layout, parameters, gradients, groups)
        self._hidden = self.stacks("muon")
        self._others = self.pieces("adamw")

    def update(self, step: Step) -> None:
        """See the base class."""
        values = self.values
        for stack in self._hidden:
            self._update(stack, step)
        adam_update(
            self._others,
            slice(0, 2),
            step,
            beta1=values["aux_beta1"],
            beta2=values["aux_beta2"],
            eps=values["aux_eps"],
        )

    def _update(self, stack: Stack, step: Step) -> None:
        columns = slice(stack.start, stack.stop)
        gradients, buffer = self.gradients[:, columns], self.state["momentum"][:, columns]
        parameters, momentum = self.parameters[:, columns], self.values["momentum"]
        step.decay(parameters, gradients, stack.label)
        buffer.lerp_(gradients, step.column(1 - momentum, 0.0))
        ahead = torch.lerp(gradients, buffer, step.column(momentum, 0.0))
        direction = orthogonalize(ahead.view(len(ahead), stack.count, *stack.shape))
        rows, inputs = stack.shape
        matched = self.values["scale"] == WORDS["scale"].index("match_rms_adamw")
        scale = torch.where(matched, 0.2 * max(rows, inputs) ** 0.5, max(1.0, rows / inputs) ** 0.5)
        move = step.column(-step.rate[stack.label] * scale, 0.0)
        parameters.addcmul_(direction.flatten(1), move)
