"""Clipping of the gradient: by the norm of the whole of it, and value by value."""

from __future__ import annotations

import torch
from torch import Tensor


def clip_by_norm(gradients: Tensor, largest: Tensor) -> Tensor:
    """Scale each row of `gradients` [K, N], in place, to a norm of at most `largest` [K].

    Where `largest` is 0 the row stays as it is. Same arithmetic as torch's clip_grad_norm_.

    Returns:
        The norms before, [K].
    """
    norm: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    factor = (largest.to(norm.dtype) / (norm + 1e-6)).clamp_(max=1.0)
    gradients.mul_(torch.where(largest > 0, factor, 1.0).unsqueeze(1))
    return norm


def clip_by_value(gradients: Tensor, largest: Tensor) -> None:
    """Cut each value of a row of `gradients` [K, N], in place, to at most `largest` [K] in size.

    Where `largest` is 0 the row stays as it is. Same arithmetic as torch's clip_grad_value_.
    """
    bound = torch.where(largest > 0, largest, torch.inf).to(gradients.dtype).unsqueeze(1)
    torch.clamp(gradients, min=-bound, max=bound, out=gradients)
