"""What normalizes activations over their features, for one run or for the runs of a bank.

Batch norm is not here: its statistics over the batch would let a position see later ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from selector.train.layout import Parameter
from selector.train.model.layers import pair

_EPSILON = 1e-5  # torch's and GPT-2's for layer norm, Llama 2's for the root mean square


def norm_parameters(name: str, kind: str, width: int, bias: bool) -> list[Parameter]:
    """The vectors of one norm; only layer norm has a bias."""
    if kind == "none":
        return []
    weight = Parameter(name=f"{name}.weight", shape=(width,), section="vector", mean=1.0)
    shift = Parameter(name=f"{name}.bias", shape=(width,), section="vector")
    return [weight, shift] if kind == "layer" and bias else [weight]


def normalize(x: Tensor, weights: Mapping[str, Tensor], name: str, kind: str) -> Tensor:
    """x [..., features] by the norm called `name`, whose vectors are [features] or [K, features].

    Of the kind none there are no vectors, and nothing is done.
    """
    if kind == "none":
        return x
    if kind == "layer":
        return layer_norm(x, *pair(weights, name))
    return rms_norm(x, weights[f"{name}.weight"])


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """To mean 0 and variance 1, then weight and bias."""
    size = x.shape[-1:]
    if weight.dim() == 1:
        return functional.layer_norm(x, size, weight, bias, _EPSILON)
    normal = functional.layer_norm(x, size, None, None, _EPSILON)
    if bias is None:
        return normal * weight.unsqueeze(1)
    return torch.addcmul(bias.unsqueeze(1), normal, weight.unsqueeze(1))


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """To a root mean square of 1, then weight (arXiv 1910.07467)."""
    size = x.shape[-1:]
    if weight.dim() == 1:
        return functional.rms_norm(x, size, weight, _EPSILON)
    return functional.rms_norm(x, size, None, _EPSILON) * weight.unsqueeze(1)
