"""Model families. `MODELS` lists them; each is a module of pure functions over named weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from selector.config.model import Model
from selector.train.layout import Parameter
from selector.train.model import decoder


@dataclass(frozen=True, kw_only=True)
class Family:
    """How a family of models is built and evaluated; see `decoder` for each function's contract."""

    parameters: Callable[[Model, int, int], list[Parameter]]
    """(model, vocabulary, context) -> its parameters."""
    forward: Callable[..., Tensor]
    """(weights, tokens, model) -> logits, as they are judged."""
    training_forward: Callable[..., tuple[Tensor, Tensor | None]]
    """(weights, tokens, model, drop) -> logits, and what the model adds to each loss."""
    dropout_layers: Callable[[Model], int]
    """In how many places `training_forward` calls its `drop`."""


MODELS: dict[str, Family] = {
    "decoder": Family(
        parameters=decoder.parameters,
        forward=decoder.forward,
        training_forward=decoder.training_forward,
        dropout_layers=decoder.dropout_layers,
    ),
}
