"""Nonlinearities of the feed-forward layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def swiglu(x: Tensor) -> Tensor:
    """Gate and value, [..., 2 * hidden], to silu(gate) * value (arXiv 2002.05202)."""
    gate, value = x.chunk(2, dim=-1)
    return functional.silu(gate) * value


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "relu2": lambda x: functional.relu(x).square(),
    "swiglu": swiglu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
