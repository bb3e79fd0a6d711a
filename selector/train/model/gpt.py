"""A decoder-only transformer in GPT-2 style: learned positions, layer norm before each branch.

As in nanoGPT (https://github.com/karpathy/nanoGPT, model.py): weights start normal with standard
deviation .02, the projections back into the residual stream with .02 / sqrt(2 * depth).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor
from torch.nn import functional

from selector.config.model import Model
from selector.train.layout import Parameter
from selector.train.model.execution import run_block
from selector.train.model.layers import causal_attention, embedding, layer_norm, linear

Drop = Callable[[Tensor, int], Tensor]

_STD = 0.02
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "relu2": lambda x: functional.relu(x).square(),
}


def parameters(model: Model, vocabulary: int, context: int) -> list[Parameter]:
    """Every parameter of the model, in the order in which their initial values are drawn."""
    width, hidden = model.width, model.mlp_ratio * model.width
    found = [
        Parameter(name="token_embedding", shape=(vocabulary, width), section="embedding", std=_STD),
        Parameter(name="position_embedding", shape=(context, width), section="embedding", std=_STD),
    ]
    into_residual = _STD / math.sqrt(2 * model.depth)
    for block in range(model.depth):
        found += [
            *_norm(f"{block}.attention_norm", width, model.bias),
            *_linear(f"{block}.qkv", 3 * width, width, model.bias, _STD, stacked=3),
            *_linear(f"{block}.attention_out", width, width, model.bias, into_residual),
            *_norm(f"{block}.mlp_norm", width, model.bias),
            *_linear(f"{block}.mlp_in", hidden, width, model.bias, _STD),
            *_linear(f"{block}.mlp_out", width, hidden, model.bias, into_residual),
        ]
    found += _norm("final_norm", width, model.bias)
    if not model.tied_embeddings:
        found.append(Parameter(name="head", shape=(vocabulary, width), section="head", std=_STD))
    return found


def dropout_layers(model: Model) -> int:
    """In how many places the model calls `drop`: after the embedding and in each branch."""
    return 1 + 2 * model.depth


def forward(
    weights: Mapping[str, Tensor], tokens: Tensor, model: Model, drop: Drop | None = None
) -> Tensor:
    """Logits for every position.

    Args:
        weights: by name, all with a leading slot dimension K or all without (see `layers`).
        tokens: [K, sequences, length] with length at most the context; K is 1 for plain weights.
        model: the shape that `weights` were made for.
        drop: called as drop(x, layer) with layer counting from 0; None: no dropout.

    Returns:
        [K, sequences * length, vocabulary], or without K for plain weights.
    """
    sequences, length = tokens.shape[0] * tokens.shape[1], tokens.shape[2]
    position = weights["position_embedding"][..., :length, :]
    x = embedding(tokens.flatten(1), weights["token_embedding"])
    folded = (*position.shape[:-2], -1, *position.shape[-2:])
    x = (x.view(folded) + position.unsqueeze(-3)).view(x.shape)
    if drop:
        x = drop(x, 0)
    for number in range(model.depth):
        x = run_block(partial(_block, weights, number, sequences, model, drop), x)
    x = layer_norm(x, *_pair(weights, "final_norm"))
    head = "token_embedding" if model.tied_embeddings else "head"
    return linear(x, weights[head], None)


def _block(
    weights: Mapping[str, Tensor],
    number: int,
    sequences: int,
    model: Model,
    drop: Drop | None,
    x: Tensor,
) -> Tensor:
    """The residual stream x [..., n, width] after block `number`, from 0."""
    activation = _ACTIVATIONS[model.activation]
    branch = layer_norm(x, *_pair(weights, f"{number}.attention_norm"))
    branch = linear(branch, *_pair(weights, f"{number}.qkv"))
    branch = causal_attention(branch, sequences, model.heads, qk_norm=model.qk_norm)
    branch = linear(branch, *_pair(weights, f"{number}.attention_out"))
    x = x + (drop(branch, 2 * number + 1) if drop else branch)
    branch = layer_norm(x, *_pair(weights, f"{number}.mlp_norm"))
    branch = activation(linear(branch, *_pair(weights, f"{number}.mlp_in")))
    branch = linear(branch, *_pair(weights, f"{number}.mlp_out"))
    return x + (drop(branch, 2 * number + 2) if drop else branch)


def _norm(name: str, width: int, bias: bool) -> list[Parameter]:
    weight = Parameter(name=f"{name}.weight", shape=(width,), section="vector", mean=1.0)
    shift = Parameter(name=f"{name}.bias", shape=(width,), section="vector")
    return [weight, shift] if bias else [weight]


def _linear(
    name: str, outputs: int, inputs: int, bias: bool, std: float, stacked: int = 1
) -> list[Parameter]:
    weight = Parameter(
        name=f"{name}.weight",
        shape=(outputs, inputs),
        section="hidden",
        std=std,
        stacked=stacked,
    )
    shift = Parameter(name=f"{name}.bias", shape=(outputs,), section="vector")
    return [weight, shift] if bias else [weight]


def _pair(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor | None]:
    return weights[f"{name}.weight"], weights.get(f"{name}.bias")
