"""L1: the sum of the sizes of the weights of all matrices is added to the loss.

https://doi.org/10.1111/j.2517-6161.1996.tb02080.x (lasso). Its subgradient is the sign of a
weight, 0 at 0, so weights come near zero and few stay at it. As everywhere, vectors are spared.
"""

from __future__ import annotations

from torch import Tensor


def add_l1(gradients: Tensor, parameters: Tensor, weight: Tensor) -> None:
    """Add weight [K] times the subgradient of the sum of |parameters| [K, n], in place."""
    gradients.addcmul_(parameters.sign(), weight.to(gradients.dtype).unsqueeze(1))
