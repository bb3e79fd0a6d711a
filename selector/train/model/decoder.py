"""A decoder-only transformer: GPT-2's, Llama's, and what lies between, by switches.

With its default switches it is nanoGPT's (https://github.com/karpathy/nanoGPT, model.py): weights
start normal with standard deviation .02, the projections back into the residual stream with
.02 / sqrt(2 * depth).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from selector.config.model import Model
from selector.train.layout import Parameter
from selector.train.model.activation import ACTIVATIONS
from selector.train.model.attention import Sight, attention, attention_parameters
from selector.train.model.execution import run_block
from selector.train.model.layers import embedding, linear, linear_parameters, pair
from selector.train.model.norm import norm_parameters, normalize
from selector.train.model.parametrization import (
    embedding_multiplier,
    head_std,
    matrix_std,
    output_multiplier,
    residual_std,
)
from selector.train.model.position import sines

Drop = Callable[[Tensor, int], Tensor]


def parameters(model: Model, vocabulary: int, context: int) -> list[Parameter]:
    """Every parameter of the model, in the order in which their initial values are drawn."""
    width = model.width

    def table(name: str, rows: int) -> Parameter:
        shape = (rows, width)
        return Parameter(name=name, shape=shape, section="embedding", std=model.init_std)

    found = [table("token_embedding", vocabulary)]
    if model.position == "learned":
        found.append(table("position_embedding", context))
    for block in range(model.depth):
        name = f"{block}."
        found += norm_parameters(f"{name}attention_norm", model.norm, width, model.bias)
        found += attention_parameters(name, model)
        if not model.parallel_block:
            found += norm_parameters(f"{name}mlp_norm", model.norm, width, model.bias)
        found += _mlp_parameters(name, model)
    if model.norm_place == "pre":
        found += norm_parameters("final_norm", model.norm, width, model.bias)
    if not model.tied_embeddings:
        std = head_std(model, vocabulary)
        shape = (vocabulary, width)
        found.append(Parameter(name="head", shape=shape, section="head", std=std))
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
    x = _embedded(weights, tokens, model)
    if drop:
        x = drop(x, 0)
    sight = Sight.of(model, sequences, length, x)
    for number in range(model.depth):
        x = run_block(partial(_block, weights, number, model, sight, drop), x)
    if model.norm_place == "pre":
        x = normalize(x, weights, "final_norm", model.norm)
    if (multiplier := output_multiplier(model)) != 1:
        x = x * multiplier
    logits = linear(x, weights["token_embedding" if model.tied_embeddings else "head"], None)
    cap = model.logit_softcap
    return torch.tanh(logits / cap) * cap if cap else logits


def _embedded(weights: Mapping[str, Tensor], tokens: Tensor, model: Model) -> Tensor:
    """[..., n, width]: the tokens' rows, with their positions where those are added."""
    length = tokens.shape[2]
    x = embedding(tokens.flatten(1), weights["token_embedding"])
    if (multiplier := embedding_multiplier(model)) != 1:
        x = x * multiplier
    if model.position == "learned":
        position = weights["position_embedding"][..., :length, :]
    elif model.position == "sinusoidal":
        position = sines(length, model.width, x)
    else:
        return x
    folded = (*x.shape[:-2], -1, length, model.width)
    return (x.view(folded) + position.unsqueeze(-3)).view(x.shape)


def _block(
    weights: Mapping[str, Tensor],
    number: int,
    model: Model,
    sight: Sight,
    drop: Drop | None,
    x: Tensor,
) -> Tensor:
    """The residual stream x [..., n, width] after block `number`, from 0."""
    name = f"{number}."

    def attend(y: Tensor) -> Tensor:
        branch = attention(y, weights, name, model, sight)
        return drop(branch, 2 * number + 1) if drop else branch

    def feed(y: Tensor) -> Tensor:
        branch = _mlp(y, weights, name, model)
        return drop(branch, 2 * number + 2) if drop else branch

    first = partial(normalize, weights=weights, name=f"{name}attention_norm", kind=model.norm)
    if model.parallel_block:
        return _residual(x, lambda y: attend(y) + feed(y), first, model.norm_place)
    x = _residual(x, attend, first, model.norm_place)
    second = partial(normalize, weights=weights, name=f"{name}mlp_norm", kind=model.norm)
    return _residual(x, feed, second, model.norm_place)


def _residual(
    x: Tensor,
    branch: Callable[[Tensor], Tensor],
    norm: Callable[[Tensor], Tensor],
    place: Literal["pre", "post"],
) -> Tensor:
    """x and what a branch makes of it, with the norm before the branch or after the sum."""
    return x + branch(norm(x)) if place == "pre" else norm(x + branch(x))


def _mlp_parameters(name: str, model: Model) -> list[Parameter]:
    """Of the feed-forward layer; swiglu's gate is stacked on its first matrix."""
    width, hidden, stacked = model.width, model.hidden, 2 if model.gated else 1
    std, back = matrix_std(model, hidden, width), residual_std(model, width, hidden)
    return [
        *linear_parameters(
            f"{name}mlp_in", stacked * hidden, width, model.bias, std, stacked=stacked
        ),
        *linear_parameters(f"{name}mlp_out", width, hidden, model.bias, back),
    ]


def _mlp(x: Tensor, weights: Mapping[str, Tensor], name: str, model: Model) -> Tensor:
    hidden = ACTIVATIONS[model.activation](linear(x, *pair(weights, f"{name}mlp_in")))
    return linear(hidden, *pair(weights, f"{name}mlp_out"))
