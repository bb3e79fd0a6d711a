"""Three different settings of each rule: one for each slot of a bank."""

from __future__ import annotations

from typing import Any

from selector.config.limits import WORDS
from tests.train.defaults import defaults

Values = dict[str, Any]


def settings(name: str) -> list[Values]:
    """The values of three slots: each rule's own weight decay first, then the others."""
    own = defaults(name)["decay_rule"]
    rules = [own, *(rule for rule in WORDS["decay_rule"] if rule != own)]
    found = [
        {**defaults(name), **different, "decay_rule": rule}
        for different, rule in zip(_DIFFERENT[name], rules, strict=True)
    ]
    for values in found:
        if values["decay_rule"] == "independent":
            values["weight_decay"] /= 100
    return found


_ADAM: list[Values] = [
    {"lr": 3e-3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8},
    {"lr": 1e-2, "weight_decay": 0.2, "beta1": 0.8, "beta2": 0.999, "eps": 1e-4},
    {"lr": 1e-3, "weight_decay": 0.5, "beta1": 0.0, "beta2": 0.95, "eps": 1e-8},
]
_DIFFERENT: dict[str, list[Values]] = {
    "sgd": [
        {"lr": 0.1, "weight_decay": 1e-2, "momentum": 0.9, "nesterov": True},
        {"lr": 0.5, "weight_decay": 0.1, "momentum": 0.0, "nesterov": False},
        {"lr": 0.01, "weight_decay": 0.3, "momentum": 0.98, "nesterov": False},
    ],
    "adam": _ADAM,
    "adamw": _ADAM,
    "nadamw": [
        {**values, "momentum_decay": decay}
        for values, decay in zip(_ADAM, [4e-3, 0.1, 1e-3], strict=True)
    ],
    "rmsprop": [
        {"lr": 1e-2, "weight_decay": 0.1, "beta2": 0.99, "eps": 1e-8, "momentum": 0.0},
        {"lr": 1e-3, "weight_decay": 0.2, "beta2": 0.9, "eps": 1e-4, "momentum": 0.9},
        {"lr": 3e-3, "weight_decay": 0.5, "beta2": 0.5, "eps": 1e-8, "momentum": 0.5},
    ],
    "adagrad": [
        {"lr": 1e-2, "weight_decay": 0.1, "eps": 1e-10},
        {"lr": 1e-1, "weight_decay": 0.2, "eps": 1e-4},
        {"lr": 3e-2, "weight_decay": 0.5, "eps": 1e-2},
    ],
    "adafactor": [
        {"lr": 1e-2, "weight_decay": 0.1, "beta2_power": 0.8, "update_clip": 1.0},
        {"lr": 0.5, "weight_decay": 0.2, "beta2_power": 0.5, "update_clip": 1.2, "eps2": 2.0},
        {"lr": 3e-2, "weight_decay": 0.5, "beta2_power": 1.0, "update_clip": 2.0, "eps1": 0.7},
    ],
    "lion": [
        {"lr": 1e-3, "weight_decay": 0.6, "beta1": 0.9, "beta2": 0.98},
        {"lr": 1e-2, "weight_decay": 0.2, "beta1": 0.95, "beta2": 0.99},
        {"lr": 1e-4, "weight_decay": 1.0, "beta1": 0.5, "beta2": 0.5},
    ],
    "muon": [
        {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95, "aux_lr_ratio": 0.3},
        {
            "lr": 0.005,
            "weight_decay": 0.2,
            "momentum": 0.9,
            "aux_lr_ratio": 1.0,
            "scale": "match_rms_adamw",
        },
        {"lr": 0.1, "weight_decay": 0.5, "momentum": 0.5, "aux_lr_ratio": 0.05},
    ],
}
