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
from selector.train.model.attention import Sight, attention, attention_parameters
from selector.train.model.execution import run_block
from selector.train.model.experts import Dispatch, expert_parameters, experts
from selector.train.model.layers import embedding, linear
from selector.train.model.mlp import mlp, mlp_parameters
from selector.train.model.norm import norm_parameters, normalize
from selector.train.model.parametrization import (
    embedding_multiplier,
    head_std,
    output_multiplier,
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
        found += expert_parameters(name, model) if model.experts else mlp_parameters(name, model)
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


def forward(weights: Mapping[str, Tensor], tokens: Tensor, model: Model) -> Tensor:
    """Logits for every position, as they are judged: nothing is dropped.

    Args:
        weights: by name, all with a leading slot dimension K or all without (see `layers`).
        tokens: [K, sequences, length] with length at most the context; K is 1 for plain weights.
        model: the shape that `weights` were made for.

    Returns:
        [K, sequences * length, vocabulary], or without K for plain weights.
    """
    logits, _ = _forward(weights, tokens, model, None, training=False)
    return logits


def training_forward(
    weights: Mapping[str, Tensor], tokens: Tensor, model: Model, drop: Drop | None = None
) -> tuple[Tensor, Tensor | None]:
    """Logits as in `forward`, of a model in training, and what it adds to each slot's loss.

    Args:
        weights: as in `forward`.
        tokens: as in `forward`.
        model: as in `forward`.
        drop: called as drop(x, layer) with layer counting from 0; None: no dropout.

    Returns:
        The logits, and a penalty [K]; None: there is none.
    """
    return _forward(weights, tokens, model, drop, training=True)


def _forward(
    weights: Mapping[str, Tensor],
    tokens: Tensor,
    model: Model,
    drop: Drop | None,
    *,
    training: bool,
) -> tuple[Tensor, Tensor | None]:
    sequences, length = tokens.shape[0] * tokens.shape[1], tokens.shape[2]
    x = _embedded(weights, tokens, model)
    if drop:
        x = drop(x, 0)
    sight = Sight.of(model, sequences, length, x)
    dispatch = Dispatch.of(tokens, training=training) if model.experts else None
    penalties = []
    for number in range(model.depth):
        x, penalty = run_block(partial(_block, weights, number, model, sight, dispatch, drop), x)
        penalties.append(penalty)
    if model.norm_place == "pre":
        x = normalize(x, weights, "final_norm", model.norm)
    if (multiplier := output_multiplier(model)) != 1:
        x = x * multiplier
    logits = linear(x, weights["token_embedding" if model.tied_embeddings else "head"], None)
    if cap := model.logit_softcap:
        logits = torch.tanh(logits / cap) * cap
    found = [penalty for penalty in penalties if penalty is not None]
    return logits, torch.stack(found).sum(0) if found else None


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
    dispatch: Dispatch | None,
    drop: Drop | None,
    x: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """The residual stream x [..., n, width] after block `number`, from 0, and its penalty."""
    name, penalties = f"{number}.", []

    def attend(y: Tensor) -> Tensor:
        branch = attention(y, weights, name, model, sight)
        return drop(branch, 2 * number + 1) if drop else branch

    def feed(y: Tensor) -> Tensor:
        if dispatch:
            branch, penalty = experts(y, weights, name, model, dispatch)
            penalties.append(penalty)
        else:
            branch = mlp(y, weights, name, model)
        return drop(branch, 2 * number + 2) if drop else branch

    first = partial(normalize, weights=weights, name=f"{name}attention_norm", kind=model.norm)
    if model.parallel_block:
        x = _residual(x, lambda y: attend(y) + feed(y), first, model.norm_place)
        return x, penalties[0] if penalties else None
    x = _residual(x, attend, first, model.norm_place)
    second = partial(normalize, weights=weights, name=f"{name}mlp_norm", kind=model.norm)
    x = _residual(x, feed, second, model.norm_place)
    return x, penalties[0] if penalties else None


def _residual(
    x: Tensor,
    branch: Callable[[Tensor], Tensor],
    norm: Callable[[Tensor], Tensor],
    place: Literal["pre", "post"],
) -> Tensor:
    """x and what a branch makes of it, with the norm before the branch or after the sum."""
    return x + branch(norm(x)) if place == "pre" else norm(x + branch(x))
