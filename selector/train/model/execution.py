"""How models are executed: by what a linear layer multiplies, and what a block keeps.

Set for a while, as torch.autocast is: the functions of `layers` ask here, and models need not know.
The setting is the process's, because torch's backward pass runs in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

#: (x, weight, bias) -> x @ weight^T + bias, as `layers.linear`.
Product = Callable[[Tensor, Tensor, Tensor | None], Tensor]
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One way to execute a model."""

    product: Product | None = None
    """What linear layers call instead of a product in the weights' own arithmetic."""
    recompute: bool = False
    """Whether blocks keep only what enters them, and are computed again in the backward pass."""


PLAIN = Execution()
_current = PLAIN


@contextmanager
def executed(execution: Execution) -> Iterator[None]:
    """Execute models so, backward passes included, until the context ends."""
    global _current
    before, _current = _current, execution
    try:
        yield
    finally:
        _current = before


def product() -> Product | None:
    """What linear layers call at the moment; None: a plain product."""
    return _current.product


def run_block(block: Callable[[Tensor], R], x: Tensor) -> R:
    """block(x); what it computes inside is kept, or not, as the execution says.

    Recomputing gives the same bits: nothing in a block is drawn from a generator (dropout hashes).
    """
    if _current.recompute and torch.is_grad_enabled():
        again: R = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        return again
    return block(x)
