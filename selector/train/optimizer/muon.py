"""Muon on hidden matrices, AdamW on embeddings, head and vectors.

https://kellerjordan.github.io/posts/muon/: Nesterov momentum, orthogonalized by five steps of a
Newton-Schulz iteration, scaled by sqrt(max(1, rows / columns)); decoupled weight decay. The update
rule is torch.optim.Muon's, with two differences: the iteration runs in the parameters' own
arithmetic instead of bfloat16, which a CPU emulates, and the three matrices in a fused qkv
projection are orthogonalized one by one, as the post advises.
"""

from __future__ import annotations

import torch
from torch import Tensor

from selector.train.layout import Layout, Matrices
from selector.train.optimizer.adam import adam_update
from selector.train.optimizer.base import Optimizer

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

    settings = ("momentum", "aux_lr_ratio", "aux_beta1", "aux_beta2", "aux_eps")
    buffers = ("momentum", "second")  # `momentum` is also the first moment of AdamW's part

    def __init__(self, layout: Layout, parameters: Tensor, gradients: Tensor) -> None:
        super().__init__(layout, parameters, gradients)
        self._groups = layout.hidden_matrices()
        self._others = self.pieces(layout.hidden_stop, layout.size)

    def step(self, factor: Tensor, count: Tensor, active: Tensor) -> None:
        """See the base class."""
        rate, values = self.rate(factor, active), self.values
        for group in self._groups:
            self._update(group, rate, active)
        adam_update(
            self._others,
            slice(0, 2),
            rate=rate * values["aux_lr_ratio"],
            weight_decay=values["weight_decay"],
            beta1=values["aux_beta1"],
            beta2=values["aux_beta2"],
            eps=values["aux_eps"],
            count=count,
            active=active,
            decoupled=True,
        )

    def _update(self, group: Matrices, rate: Tensor, active: Tensor) -> None:
        columns = slice(group.start, group.stop)
        gradients, buffer = self.gradients[:, columns], self.state["momentum"][:, columns]
        parameters = self.parameters[:, columns]
        momentum = self.values["momentum"]
        buffer.lerp_(gradients, self.column(torch.where(active, 1 - momentum, 0.0)))
        ahead = torch.lerp(gradients, buffer, self.column(momentum))
        shape = (len(ahead), group.count, group.rows, group.columns)
        direction = orthogonalize(ahead.view(shape))
        scale = max(1.0, group.rows / group.columns) ** 0.5
        parameters.mul_(self.column(1 - rate * self.values["weight_decay"]))
        parameters.addcmul_(direction.flatten(1), self.column(-rate * scale))
