"""Optimizers, vectorized over the slots of a bank. `OPTIMIZERS` lists them by their YAML names."""

from __future__ import annotations

from selector.train.optimizer.adafactor import Adafactor
from selector.train.optimizer.adam import Adam, NAdamW
from selector.train.optimizer.base import Optimizer
from selector.train.optimizer.lion import Lion
from selector.train.optimizer.muon import Muon
from selector.train.optimizer.rmsprop import Adagrad, RMSprop
from selector.train.optimizer.sgd import SGD
from selector.train.optimizer.tier_2 import TIER_2

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": Adam,
    "nadamw": NAdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adafactor": Adafactor,
    "lion": Lion,
    "muon": Muon,
    **TIER_2,
}
