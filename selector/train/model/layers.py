"""The operations that models are made of, for one run or for the runs of a bank.

Weights come in two forms. Of a bank they have a leading slot dimension, [K, ...], and activations
are [K, n, features]. Of a single run (K = 1, and evaluation of one slot) they have none, and
activations are [n, features]: torch's fused operations for plain weights then apply, and a bank of
one run costs what a plain model costs. No operation mixes slots.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from selector.train.layout import Parameter
from selector.train.model import execution


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight^T + bias, with weight [out, in] or [K, out, in] and bias [out] or [K, out]."""
    if product := execution.product():
        return product(x, weight, bias)
    if weight.dim() == 2:
        return functional.linear(x, weight, bias)
    if bias is None:
        return torch.bmm(x, weight.mT)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


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


def linear_parameters(
    name: str,
    outputs: int,
    inputs: int,
    bias: bool,
    std: float,
    stacked: int = 1,
    products: int = 1,
) -> list[Parameter]:
    """A hidden matrix [outputs, inputs] and, if wanted, its bias."""
    weight = Parameter(
        name=f"{name}.weight",
        shape=(outputs, inputs),
        section="hidden",
        std=std,
        stacked=stacked,
        products=products,
    )
    shift = Parameter(name=f"{name}.bias", shape=(outputs,), section="vector")
    return [weight, shift] if bias else [weight]


def pair(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor | None]:
    """Weight and bias called `name`; None for a bias that is not there."""
    return weights[f"{name}.weight"], weights.get(f"{name}.bias")
