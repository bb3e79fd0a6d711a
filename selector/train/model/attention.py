"""Causal self-attention of one block, for one run or for the runs of a bank.

The rows of each slot are whole sequences; slots are folded into the batch. There is no dropout
here: its mask would not be the slot's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from selector.config.model import Model
from selector.train.layout import Parameter
from selector.train.model.layers import linear, linear_parameters, pair
from selector.train.model.parametrization import (
    matrix_std,
    query_std,
    residual_std,
    score_multiplier,
)
from selector.train.model.position import distances, rotate, rotation

_QK_EPSILON = 1e-6  # said, because torch's default depends on its version and the arithmetic


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What is the same in the attention of every block of one forward pass."""

    sequences: int
    """In all slots together."""
    rotation: tuple[Tensor, Tensor] | None
    """Of queries and keys; see `position`."""
    scores: Tensor | None
    """What is added to the scores, the causal mask included; None: that mask alone."""

    @classmethod
    def of(cls, model: Model, sequences: int, length: int, like: Tensor) -> Sight:
        """What `model.position` asks for, on the device and in the arithmetic of `like`."""
        turned, far = model.position == "rope", model.position == "alibi"
        return cls(
            sequences=sequences,
            rotation=rotation(length, model.size_of_head, like) if turned else None,
            scores=distances(length, model.num_heads, like) if far else None,
        )


def attention_parameters(name: str, model: Model) -> list[Parameter]:
    """The projections of one block: fused, or queries apart from keys and values."""
    width, bias = model.width, model.bias
    shared = model.num_kv_heads * model.size_of_head
    out = residual_std(model, width, width)
    if model.separate_query:
        found = [
            *linear_parameters(f"{name}query", width, width, bias, query_std(model)),
            *linear_parameters(
                f"{name}kv", 2 * shared, width, bias, matrix_std(model, shared, width), stacked=2
            ),
        ]
    else:
        std = matrix_std(model, width, width)
        found = linear_parameters(f"{name}qkv", 3 * width, width, bias, std, stacked=3)
    return [*found, *linear_parameters(f"{name}attention_out", width, width, bias, out)]


def attention(
    x: Tensor, weights: Mapping[str, Tensor], name: str, model: Model, sight: Sight
) -> Tensor:
    """x [..., n, width] to the same shape; `name` is the prefix of the block's weights."""
    heads, kv_heads, size = model.num_heads, model.num_kv_heads, model.size_of_head
    if model.separate_query:
        query = linear(x, *pair(weights, f"{name}query")).view(sight.sequences, -1, heads, size)
        both = linear(x, *pair(weights, f"{name}kv"))
        key, value = both.view(sight.sequences, -1, 2, kv_heads, size).unbind(2)
    else:
        fused = linear(x, *pair(weights, f"{name}qkv"))
        query, key, value = fused.view(sight.sequences, -1, 3, heads, size).unbind(2)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    if model.qk_norm:
        query, key = (functional.rms_norm(part, (size,), eps=_QK_EPSILON) for part in (query, key))
    if sight.rotation:
        query, key = (rotate(part, sight.rotation) for part in (query, key))
    if kv_heads < heads:
        key, value = (_shared(part, heads // kv_heads) for part in (key, value))
    mixed = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=sight.scores,
        is_causal=sight.scores is None,
        scale=score_multiplier(model),
    )
    mixed = mixed.transpose(1, 2).reshape(x.shape)
    return linear(mixed, *pair(weights, f"{name}attention_out"))


def _shared(heads: Tensor, times: int) -> Tensor:
    """Heads [sequences, kv_heads, length, size], each repeated for the queries that read it."""
    return torch.repeat_interleave(heads, times, dim=1)
