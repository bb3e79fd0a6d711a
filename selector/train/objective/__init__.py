"""What a run is trained to do. `OBJECTIVES` lists the kinds that the built-in trainer knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from selector.train.objective import causal_lm


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The functions of one kind of objective; see `causal_lm` for their contracts."""

    inputs: Callable[[Tensor], Tensor]
    """windows -> what the model reads."""
    losses: Callable[..., tuple[Tensor, Tensor]]
    """(logits, windows, extras) -> the loss to train on, the loss to report."""
    right: Callable[[Tensor, Tensor], Tensor]
    """(logits, windows) -> the accuracy."""


OBJECTIVES: dict[str, Kind] = {
    "causal_lm": Kind(inputs=causal_lm.inputs, losses=causal_lm.losses, right=causal_lm.right),
}
