"""The coordinate check for each kind of rule: activations are of one size at any width."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selector.config.schema import Data, RunConfig
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.model import MODELS, attention, decoder

WIDTHS, STEPS = (32, 256), 4
RATES = {"adamw": 1e-2, "lion": 3e-3, "muon": 0.02, "sgd": 0.1}
Sizes = Callable[..., list[list[float]]]


@pytest.fixture
def sizes(
    configure: Callable[..., RunConfig],
    prepared: tuple[Data, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Sizes:
    """For each matrix product, its outputs' mean size at each width after a few steps."""
    seen: list[float] = []

    def recorded(linear: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*arguments: Any) -> Tensor:
            out = linear(*arguments)
            seen.append(float(out.detach().abs().mean()))
            return out

        return call

    for module in (attention, decoder):
        monkeypatch.setattr(module, "linear", recorded(module.linear))

    def at(width: int, optimizer: str, model: dict[str, Any]) -> list[float]:
        config = configure(
            optimizer,
            {"lr": RATES[optimizer], "weight_decay": 0.0},
            model={"width": width, "heads": width // 16, "base_width": WIDTHS[0], **model},
            regularization={"grad_clip": 0.0},  # a norm that grows with the width is no part of it
            schedule={"name": "constant", "warmup": 0.0},
        )
        bank = Bank(config, 1, torch.device("cpu"))
        feed = Feed(Corpus.open(*prepared).part("train"), config.batch, 1, bank.device)
        bank.enter(0, config, 1, STEPS + 1)
        feed.enter(0, 1)
        for _ in range(STEPS):
            bank.step(feed.next())
        seen.clear()
        with torch.no_grad():
            inputs = bank.objective.inputs(feed.next()[0])
            MODELS[config.model.family].forward(bank.weights(0), inputs, config.model)
        return list(seen)

    def over_widths(optimizer: str, **model: Any) -> list[list[float]]:
        rows = [at(width, optimizer, model) for width in WIDTHS]
        return [list(column) for column in zip(*rows, strict=True)]

    return over_widths


def slope(column: list[float]) -> float:
    """The power of the width by which a size grows, from the narrowest to the widest."""
    return math.log(column[-1] / column[0]) / math.log(WIDTHS[-1] / WIDTHS[0])


@pytest.mark.parametrize(
    ("optimizer", "tied"),
    [("adamw", False), ("lion", True), ("muon", True), ("sgd", True)],
)
def test_activations_stay_of_one_size_under_mup_and_grow_under_standard(
    sizes: Sizes, optimizer: str, tied: bool
) -> None:
    # Queries start at 0, where only SGD's first steps are smaller the wider the model is.
    grown = [
        slope(column)
        for column in sizes(optimizer, parametrization="mup", tied_embeddings=tied)
        if column[0] > 1e-3
    ]
    assert max(map(abs, grown)) < 0.35, grown
    standard = [slope(column) for column in sizes(optimizer, tied_embeddings=tied)]
    assert min(standard) > 0.3, standard
    assert max(standard) > 0.6, standard


def test_rates_by_layer_keep_activations_of_one_size(sizes: Sizes) -> None:
    model = {"parametrization": "per_layer_rate", "tied_embeddings": False}
    grown = [slope(column) for column in sizes("adamw", initialization="fan_in", **model)]
    assert max(map(abs, grown)) < 0.35, grown
