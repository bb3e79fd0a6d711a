"""The operations that models are made of, for one run or for the runs of a bank.

Weights come in two forms. Of a bank they have a leading slot dimension, [K, ...], and activations
are [K, n, features]. Of a single run (K = 1, and evaluation of one slot) they have none, and
activations are [n, features]: torch's fused operations for plain weights then apply, and a bank of
one run costs what a plain model costs. No operation mixes slots.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from selector.train.model import execution

_EPSILON = 1e-5  # of the layer norm: torch's and GPT-2's
_QK_EPSILON = 1e-6  # said, because torch's default depends on its version and the arithmetic


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight^T + bias, with weight [out, in] or [K, out, in] and bias [out] or [K, out]."""
    if product := execution.product():
        return product(x, weight, bias)
    if weight.dim() == 2:
        return functional.linear(x, weight, bias)
    if bias is None:
        return torch.bmm(x, weight.mT)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Layer norm over the features, with weight and bias [features] or [K, features]."""
    size = x.shape[-1:]
    if weight.dim() == 1:
        return functional.layer_norm(x, size, weight, bias, _EPSILON)
    normal = functional.layer_norm(x, size, None, None, _EPSILON)
    if bias is None:
        return normal * weight.unsqueeze(1)
    return torch.addcmul(bias.unsqueeze(1), normal, weight.unsqueeze(1))


def embedding(tokens: Tensor, table: Tensor) -> Tensor:
    """Rows of `table`, [V, features] or [K, V, features], for tokens [K, n].

    A stacked table is read as one table of K * V rows: indexing it along two dimensions is slow
    in the backward pass.
    """
    if table.dim() == 2:
        return functional.embedding(tokens.flatten(), table)
    slots, vocabulary, features = table.shape
    first = torch.arange(0, slots * vocabulary, vocabulary, device=tokens.device).unsqueeze(1)
    return functional.embedding(tokens + first, table.reshape(slots * vocabulary, features))


def causal_attention(qkv: Tensor, sequences: int, heads: int, *, qk_norm: bool) -> Tensor:
    """Causal self-attention from the fused projection [..., n, 3 * width] to [..., n, width].

    The n rows of each slot are whole sequences, `sequences` of them in all slots together; slots
    are folded into the batch. There is no dropout here: its mask would not be the slot's own.
    """
    width = qkv.shape[-1] // 3
    query, key, value = (
        part.transpose(1, 2) for part in qkv.view(sequences, -1, 3, heads, width // heads).unbind(2)
    )
    if qk_norm:
        query, key = (
            functional.rms_norm(part, part.shape[-1:], eps=_QK_EPSILON) for part in (query, key)
        )
    mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    return mixed.transpose(1, 2).reshape(*qkv.shape[:-1], width)
