"""Sharpness-aware minimization (SAM): the gradient is taken a step uphill from the weights.

https://arxiv.org/abs/2010.01412, equation 2: at w + rho * g / |g|, with g the gradient at w of the
same batch and the same dropout masks, and |g| the norm of the whole of it, slot by slot. A step
costs two gradients. What is reported as the loss is the one at w.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SMALLEST = 1e-12  # of a norm, as in the authors' and other implementations


class Sharpness:
    """The way uphill and back of the rows of parameters.

    Args:
        parameters: [K, N], changed in place.
        gradients: [K, N].
    """

    def __init__(self, parameters: Tensor, gradients: Tensor) -> None:
        self._parameters, self._gradients = parameters, gradients
        self._kept = torch.empty_like(parameters)

    def climb(self, rho: Tensor) -> None:
        """Move the parameters a distance of rho [K] along their gradients."""
        norm = torch.linalg.vector_norm(self._gradients, dim=1)
        scale = rho.to(norm.dtype) / (norm + _SMALLEST)
        self._kept.copy_(self._parameters)
        self._parameters.addcmul_(self._gradients, scale.unsqueeze(1))

    def descend(self) -> None:
        """Move the parameters back to where they were, bit for bit."""
        self._parameters.copy_(self._kept)
