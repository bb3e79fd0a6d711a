"""A mixture of experts: feed-forward layers among which a router chooses, token by token.

Gates as in arXiv 1701.06538 and 2202.08906: the k highest of the router's probabilities, divided by
their sum. A single one stays as it is (arXiv 2101.03961): divided by itself it would be 1, and the
router would learn nothing. The router's product is never in low precision (section 2.4 there).

In training an expert has a fixed number of places in each sequence, so that all shapes are known
beforehand, and tokens take them in their order, each with all its choices: were all first choices
served before all second ones, a token's result would depend on later tokens. Places in a sequence
rather than in a batch make a sequence's result its own, however many are computed at once. A token
that finds no place skips that expert. Where results are judged every token has a place.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from selector.config.model import Model
from selector.train.layout import Parameter
from selector.train.model.layers import pair
from selector.train.model.mlp import Pair, feed, mlp_parameters
from selector.train.model.parametrization import output_multiplier, router_std


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """What is the same in the experts of every block of one forward pass."""

    slots: int
    sequences: int
    """In each slot."""
    length: int
    training: bool
    """Whether places are limited, and the balance counts."""

    @classmethod
    def of(cls, tokens: Tensor, *, training: bool) -> Dispatch:
        """For tokens [K, sequences, length]."""
        slots, sequences, length = tokens.shape
        return cls(slots=slots, sequences=sequences, length=length, training=training)


def expert_parameters(name: str, model: Model) -> list[Parameter]:
    """The router, an output projection of its own kind, and the experts, stacked."""
    shape, std = (model.experts, model.width), router_std(model)
    router = Parameter(name=f"{name}router", shape=shape, section="head", std=std)
    return [router, *mlp_parameters(name, model, copies=model.experts)]


def experts(
    x: Tensor, weights: Mapping[str, Tensor], name: str, model: Model, dispatch: Dispatch
) -> tuple[Tensor, Tensor | None]:
    """x [..., n, width] to the same shape, and the penalty for an uneven choice, [K].

    Without a penalty where results are judged, and where its weight is 0.
    """
    probabilities = _probabilities(x, weights[f"{name}router"], model)
    probabilities = probabilities.view(dispatch.slots, -1, model.experts)
    gates, chosen = probabilities.topk(model.experts_per_token, dim=-1)
    if model.experts_per_token > 1:
        gates = gates / gates.sum(-1, keepdim=True)
    first, second = (
        _apart(pair(weights, f"{name}{part}"), model) for part in ("mlp_in", "mlp_out")
    )
    tokens = x.reshape(-1, model.width)
    through = _within_places if dispatch.training else _without_limit
    found = through(tokens, chosen, first, second, model, dispatch)
    mixed = (found.view(*gates.shape, -1) * gates.unsqueeze(-1)).sum(-2).view(x.shape)
    if not (dispatch.training and model.balance_loss):
        return mixed, None
    return mixed, model.balance_loss * imbalance(probabilities, chosen)


def imbalance(probabilities: Tensor, chosen: Tensor) -> Tensor:
    """E * the sum over experts of share * mean probability: 1 where all are alike, [K].

    Equation 4 of arXiv 2101.03961 without its weight; with several experts a token, an expert's
    share is of all that were chosen.

    Args:
        probabilities: [K, n, E].
        chosen: [K, n, k], which experts.
    """
    number = probabilities.shape[-1]
    share = _choices(chosen, number).to(probabilities.dtype).mean(1) / chosen.shape[-1]
    return number * (share * probabilities.mean(1)).sum(-1)


def _probabilities(x: Tensor, router: Tensor, model: Model) -> Tensor:
    """[..., n, experts], in the arithmetic of the weights."""
    with _full_precision(x.device):
        logits = x.to(router.dtype) @ router.mT
        if (multiplier := output_multiplier(model)) != 1:
            logits = logits * multiplier
        return logits.softmax(-1)


def _full_precision(device: torch.device) -> AbstractContextManager[object]:
    if device.type == "meta":  # knows no autocast
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _apart(layers: Pair, model: Model) -> Pair:
    """Those of each expert of each slot: weight [K * E, out, in], bias [K * E, out]."""
    weight, bias = layers
    weight = weight.reshape(-1, weight.shape[-2] // model.experts, weight.shape[-1])
    return weight, None if bias is None else bias.reshape(len(weight), -1)


def _within_places(
    tokens: Tensor, chosen: Tensor, first: Pair, second: Pair, model: Model, dispatch: Dispatch
) -> Tensor:
    """What the chosen experts make of each token, [tokens * k, width]; 0 for lack of a place."""
    places = model.expert_places(dispatch.length)
    by_sequence = chosen.view(-1, dispatch.length, chosen.shape[-1])
    place = _choices(by_sequence, model.experts).cumsum(1).gather(-1, by_sequence) - 1
    # Of seats [slot, expert, sequence, place]; one more, behind all, is for who finds no place.
    sequence = torch.arange(len(by_sequence), device=tokens.device).view(-1, 1, 1)
    slot = sequence // dispatch.sequences
    row = (slot * model.experts + by_sequence) * dispatch.sequences + sequence % dispatch.sequences
    nowhere = len(by_sequence) * model.experts * places
    seat = torch.where(place < places, row * places + place, nowhere).flatten()
    entering = tokens.repeat_interleave(chosen.shape[-1], dim=0)
    seated = tokens.new_zeros(nowhere + 1, model.width).index_copy(0, seat, entering)
    made = feed(seated[:-1].view(len(first[0]), -1, model.width), first, second, model)
    return functional.pad(made.flatten(0, 1), (0, 0, 0, 1)).index_select(0, seat)


def _without_limit(
    tokens: Tensor, chosen: Tensor, first: Pair, second: Pair, model: Model, dispatch: Dispatch
) -> Tensor:
    """As `_within_places` with a place for everyone; the host waits for the device."""
    slot = torch.arange(dispatch.slots, device=tokens.device).view(-1, 1, 1)
    expert = (slot * model.experts + chosen).flatten()
    order = expert.argsort(stable=True)
    counts = expert.bincount(minlength=len(first[0])).tolist()
    parts = torch.split(tokens[order // chosen.shape[-1]], counts)
    made = [
        feed(part, _one(first, number), _one(second, number), model)
        for number, part in enumerate(parts)
        if len(part)
    ]
    return torch.cat(made)[order.argsort()]


def _choices(chosen: Tensor, number: int) -> Tensor:
    """Which of `number` experts are among the chosen [..., k]: bool [..., number]."""
    every = torch.arange(number, device=chosen.device)
    return (chosen.unsqueeze(-1) == every).any(-2)


def _one(layers: Pair, number: int) -> Pair:
    weight, bias = layers
    return weight[number], None if bias is None else bias[number]
