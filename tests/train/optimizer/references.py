"""Trusted implementations of every rule: torch.optim's, or a paper's algorithm line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from selector.train.layout import Parameter
from selector.train.optimizer.groups import Group, grouped

Values = Mapping[str, Any]
Steps = Callable[[], None]

PARAMETERS = [
    Parameter(name="0.tall", shape=(6, 4), section="hidden"),
    Parameter(name="1.wide", shape=(4, 6), section="hidden"),
    Parameter(name="1.wide_too", shape=(4, 6), section="hidden"),
    Parameter(name="head", shape=(5, 3), section="head"),
    Parameter(name="table", shape=(5, 3), section="embedding"),
    Parameter(name="1.vector", shape=(7,), section="vector"),
]
#: The decay rule of torch's own implementation; what it is not told is done by hand here.
OWN_RULE = {
    "sgd": "coupled",
    "adam": "coupled",
    "adamw": "decoupled",
    "nadamw": "decoupled",
    "rmsprop": "coupled",
    "adagrad": "coupled",
    "adafactor": "decoupled",
}


def reference(
    name: str, weights: Mapping[str, Tensor], values: Values, groups: Sequence[Group] | None = None
) -> Steps:
    """The step of the trusted rule over `weights`, which hold their gradients."""
    groups = groups or grouped(PARAMETERS, name, values)
    if name == "lion":
        return _by_hand(weights, values, groups, _lion(weights, values, groups))
    if name == "muon":
        return _by_hand(weights, values, groups, _muon(weights, values, groups))
    if values["decay_rule"] == OWN_RULE[name]:
        return _torch(name, weights, values, groups, own_decay=True)
    if values["decay_rule"] == "independent" and OWN_RULE[name] == "decoupled":
        undone = {**values, "weight_decay": values["weight_decay"] / values["lr"]}
        return _torch(name, weights, undone, _without_shares(groups), own_decay=True)
    return _by_hand(weights, values, groups, _torch(name, weights, values, groups, own_decay=False))


def _torch(
    name: str,
    weights: Mapping[str, Tensor],
    values: Values,
    groups: Sequence[Group],
    *,
    own_decay: bool,
) -> Steps:
    """torch.optim's step, rates and decays by its parameter groups."""
    grouped_weights = [
        {
            "params": [weights[parameter.name] for parameter in group.parameters],
            "lr": values["lr"] * group.rate,
            "weight_decay": values["weight_decay"] * group.decay / group.rate * own_decay,
        }
        for group in groups
    ]
    betas = {"betas": (values.get("beta1"), values.get("beta2")), "eps": values.get("eps")}
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(
            grouped_weights, momentum=values["momentum"], nesterov=values["nesterov"]
        ),
        "adam": lambda: torch.optim.Adam(grouped_weights, **betas),
        "adamw": lambda: torch.optim.AdamW(grouped_weights, **betas),
        "nadamw": lambda: torch.optim.NAdam(
            grouped_weights,
            **betas,
            momentum_decay=values["momentum_decay"],
            decoupled_weight_decay=True,
        ),
        "rmsprop": lambda: torch.optim.RMSprop(
            grouped_weights,
            alpha=values["beta2"],
            eps=values["eps"],
            momentum=values["momentum"],
        ),
        "adagrad": lambda: torch.optim.Adagrad(grouped_weights, eps=values["eps"]),
        "adafactor": lambda: torch.optim.Adafactor(
            grouped_weights,
            beta2_decay=-values["beta2_power"],
            eps=(values["eps1"], values["eps2"]),
            d=values["update_clip"],
        ),
    }
    optimizer = kinds[name]()

    def step() -> None:
        optimizer.step()

    return step


def _without_shares(groups: Sequence[Group]) -> list[Group]:
    """Groups that decay alike, whatever their rates are."""
    return [replace(group, decay=float(group.decay > 0)) for group in groups]


def _by_hand(
    weights: Mapping[str, Tensor], values: Values, groups: Sequence[Group], rule: Steps
) -> Steps:
    """Weight decay as each rule's formula says, before a `rule` without it."""
    decay, kind = values["weight_decay"], values["decay_rule"]

    def step() -> None:
        for group in groups:
            for parameter in group.parameters:
                weight = weights[parameter.name]
                assert weight.grad is not None
                if not group.decay:
                    continue
                if kind == "coupled":
                    weight.grad += decay * group.decay / group.rate * weight.data
                elif kind == "decoupled":
                    weight.data -= values["lr"] * decay * group.decay * weight.data
                else:
                    weight.data -= decay * weight.data
        rule()

    return step


def _lion(weights: Mapping[str, Tensor], values: Values, groups: Sequence[Group]) -> Steps:
    """Algorithm 2 of arXiv 2302.06675, line by line."""
    momenta = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    def step() -> None:
        for group in groups:
            for parameter in group.parameters:
                weight, momentum = weights[parameter.name], momenta[parameter.name]
                assert weight.grad is not None
                update = values["beta1"] * momentum + (1 - values["beta1"]) * weight.grad
                weight.data -= values["lr"] * group.rate * torch.sign(update)
                momenta[parameter.name] = (
                    values["beta2"] * momentum + (1 - values["beta2"]) * weight.grad
                )

    return step


def _muon(weights: Mapping[str, Tensor], values: Values, groups: Sequence[Group]) -> Steps:
    """torch.optim.Muon's rule without its bfloat16 on hidden matrices, torch's AdamW elsewhere."""
    hidden = {
        parameter.name: group
        for group in groups
        for parameter in group.parameters
        if parameter.section == "hidden"
    }
    momenta = {name: torch.zeros_like(weights[name]) for name in hidden}
    adamw = _torch(
        "adamw",
        weights,
        {
            "lr": values["lr"],
            "weight_decay": 0.0,
            "beta1": values["aux_beta1"],
            "beta2": values["aux_beta2"],
            "eps": values["aux_eps"],
        },
        [group for group in groups if group.parameters[0].section != "hidden"],
        own_decay=False,
    )

    def step() -> None:
        for name, group in hidden.items():
            weight, momentum = weights[name], momenta[name]
            gradient = weight.grad
            assert gradient is not None
            momentum.lerp_(gradient, 1 - values["momentum"])
            x = gradient.lerp(momentum, values["momentum"])
            rows, columns = x.shape
            x = x.T if rows > columns else x
            x = x / x.norm()
            for _ in range(5):
                gram = x @ x.T
                x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
            x = x.T if rows > columns else x
            scale = max(1, rows / columns) ** 0.5
            if values["scale"] == "match_rms_adamw":
                scale = 0.2 * max(rows, columns) ** 0.5
            weight.data -= values["lr"] * group.rate * scale * x
        adamw()

    return step
