"""The feed-forward layer of one block, for one run or for the runs of a bank."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from selector.config.model import Model
from selector.train.layout import Parameter
from selector.train.model.activation import ACTIVATIONS
from selector.train.model.layers import linear, linear_parameters, pair
from selector.train.model.parametrization import matrix_std, residual_std

#: Weight and bias of a linear layer.
Pair = tuple[Tensor, Tensor | None]


def mlp_parameters(name: str, model: Model, copies: int = 1) -> list[Parameter]:
    """Of `copies` layers, one after the other; swiglu's gate is stacked on each first matrix."""
    width, hidden, gated = model.width, model.hidden, 2 if model.gated else 1
    return [
        *linear_parameters(
            f"{name}mlp_in",
            copies * gated * hidden,
            width,
            model.bias,
            matrix_std(model, hidden, width),
            stacked=copies * gated,
            products=copies,
        ),
        *linear_parameters(
            f"{name}mlp_out",
            copies * width,
            hidden,
            model.bias,
            residual_std(model, width, hidden),
            stacked=copies,
            products=copies,
        ),
    ]


def mlp(x: Tensor, weights: Mapping[str, Tensor], name: str, model: Model) -> Tensor:
    """x [..., n, width] to the same shape; `name` is the prefix of the block's weights."""
    return feed(x, pair(weights, f"{name}mlp_in"), pair(weights, f"{name}mlp_out"), model)


def feed(x: Tensor, first: Pair, second: Pair, model: Model) -> Tensor:
    """x through one layer, or [m, n, width] through m, whose weights are [m, ...]."""
    return linear(ACTIVATIONS[model.activation](linear(x, *first)), *second)
