"""Slots do not know of each other: the contract of banks."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selector.config.schema import Data, RunConfig
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from tests.train.defaults import EXAMPLES

CPU = torch.device("cpu")
STEPS = 50
DIFFERENT: list[dict[str, Any]] = [
    {"regularization": {"dropout": 0.1, "grad_clip": 1.0}, "schedule": {"warmup": 0.0}},
    {
        "regularization": {"dropout": 0.4, "grad_clip": 0.0, "z_loss": 1e-3},
        "schedule": {"name": "constant"},
    },
    {
        "regularization": {"dropout": 0.2, "grad_clip": 0.1, "label_smoothing": 0.1},
        "schedule": {"name": "cosine", "floor": 0.1},
    },
]
#: Shares of the default rate and weight decay of the three runs; their seeds.
SCALES, SEEDS = ((1.0, 1.0), (0.4, 0.0), (0.1, 3.0)), (11, 12, 13)


def three(configure: Callable[..., RunConfig], optimizer: str, **batch: int) -> list[RunConfig]:
    """Three configurations of one fuse key with different settings everywhere."""
    configs = []
    for (rate, decay), parts in zip(SCALES, DIFFERENT, strict=True):
        values = configure(optimizer).optimizer
        scaled = {
            "lr": values["lr"] * rate,
            "weight_decay": values["weight_decay"] * decay,
        }
        switches = {"label_smoothing": 0.01, "z_loss": 1e-5, **parts["regularization"]}
        configs.append(
            configure(
                optimizer=optimizer,
                values=scaled,
                batch=batch,
                regularization=switches,
                schedule=parts["schedule"],
            )
        )
    return configs


class FedBank:
    """A bank with its feed over the prepared text."""

    def __init__(self, config: RunConfig, width: int, corpus: Corpus) -> None:
        self.bank = Bank(config, width, CPU)
        self.feed = Feed(corpus.part("train"), config.batch, width, CPU)

    def enter(self, slot: int, config: RunConfig, seed: int, steps: int = STEPS) -> None:
        self.bank.enter(slot, config, seed, steps)
        self.feed.enter(slot, seed)

    def leave(self, slot: int) -> None:
        self.bank.leave(slot)
        self.feed.leave(slot)

    def losses(self, steps: int) -> np.ndarray:
        """[steps, K]."""
        for _ in range(steps):
            self.bank.step(self.feed.next())
        return self.bank.drain()[0]


@pytest.fixture
def corpus(prepared: tuple[Data, Any]) -> Corpus:
    return Corpus.open(*prepared)


def relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("sgd", "nadamw") else ())
        for name in EXAMPLES
    ],
)
def test_three_runs_in_a_bank_of_four_train_as_alone(
    configure: Callable[..., RunConfig], corpus: Corpus, optimizer: str
) -> None:
    configs = three(configure, optimizer, accumulation=2)
    places = (0, 2, 3)
    together = FedBank(configs[0], 4, corpus)
    for slot, config, seed in zip(places, configs, SEEDS, strict=True):
        together.enter(slot, config, seed)
    together.bank.compute_gradients(together.feed.next())
    gradients = together.bank.gradients.clone()
    assert torch.equal(gradients[1], torch.zeros_like(gradients[1]))
    curves = together.losses(STEPS - 1)
    for slot, config, seed in zip(places, configs, SEEDS, strict=True):
        alone = FedBank(config, 1, corpus)
        alone.enter(0, config, seed)
        alone.bank.compute_gradients(alone.feed.next())
        assert relative(gradients[slot], alone.bank.gradients[0]) < 1e-5
        curve = alone.losses(STEPS - 1)[:, 0]
        np.testing.assert_allclose(curves[:, slot], curve, rtol=2e-3)
        np.testing.assert_allclose(curves[:5, slot], curve[:5], rtol=1e-5)


@pytest.mark.parametrize("optimizer", EXAMPLES)
def test_a_diverging_neighbour_changes_nothing(
    configure: Callable[..., RunConfig], corpus: Corpus, optimizer: str
) -> None:
    calm = configure(optimizer, regularization={"dropout": 0.1})
    extreme = {"lr": 1e30, "weight_decay": 1e30}  # Adafactor's rate has a limit of its own
    wild = configure(optimizer, extreme, regularization={"dropout": 0.1, "grad_clip": 0})
    curves, rows = [], []
    for neighbour in (calm, wild):
        bank = FedBank(calm, 2, corpus)
        bank.enter(0, calm, 1)
        bank.enter(1, neighbour, 2)
        losses = bank.losses(20)
        bank.leave(1)
        curves.append(np.concatenate([losses, bank.losses(10)]))
        rows.append(bank.bank.parameters.clone())
    assert np.isfinite(curves[0]).all()
    assert not np.isfinite(curves[1][:20, 1]).all()
    assert np.array_equal(curves[0][:, 0], curves[1][:, 0])
    assert torch.equal(rows[0][0], rows[1][0])
    assert torch.equal(rows[1][1], torch.zeros_like(rows[1][1])), "a slot that was left is empty"


def test_runs_enter_and_leave_while_others_train(
    configure: Callable[..., RunConfig], corpus: Corpus
) -> None:
    config = configure(regularization={"dropout": 0.1})
    alone = FedBank(config, 1, corpus)
    alone.enter(0, config, 5, steps=15)
    expected = alone.losses(15)[:, 0]
    bank = FedBank(config, 2, corpus)
    bank.enter(0, config, 4, steps=40)
    bank.losses(7)
    bank.enter(1, config, 5, steps=15)
    first = bank.losses(6)[:, 1]
    bank.leave(0)
    second = bank.losses(9)[:, 1]
    np.testing.assert_allclose(np.concatenate([first, second]), expected, rtol=1e-4)


def test_a_seed_gives_the_same_bits_again_and_another_does_not(
    configure: Callable[..., RunConfig], corpus: Corpus
) -> None:
    config = configure(regularization={"dropout": 0.1})
    rows = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(rows))  # the global generator plays no part
        alone = FedBank(config, 1, corpus)
        alone.enter(0, config, seed)
        alone.losses(20)
        rows.append(alone.bank.parameters)
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_accumulation_is_the_larger_batch(
    configure: Callable[..., RunConfig], corpus: Corpus
) -> None:
    gradients = []
    for batch in ({"micro_batch": 8, "accumulation": 1}, {"micro_batch": 2, "accumulation": 4}):
        alone = FedBank(configure(batch=batch), 1, corpus)
        alone.enter(0, alone.bank.config, 1)
        alone.bank.compute_gradients(alone.feed.next())
        gradients.append(alone.bank.gradients)
    assert relative(*gradients) < 1e-5


def test_dropout_changes_training_and_not_the_masks_of_another_rate(
    configure: Callable[..., RunConfig], corpus: Corpus
) -> None:
    first_losses = []
    for rate in (0.0, 0.1, 0.5):
        config = configure(regularization={"dropout": rate})
        alone = FedBank(config, 1, corpus)
        alone.enter(0, config, 1)
        first_losses.append(float(alone.losses(1)[0, 0]))
    assert len(set(first_losses)) == 3


def test_another_shape_does_not_fit(configure: Callable[..., RunConfig]) -> None:
    bank = Bank(configure(), 2, CPU)
    other = configure(model={"width": 32})
    with pytest.raises(ValueError, match="does not fit"):
        bank.enter(0, other, seed=1, steps=1)
    bank.enter(0, replace(configure(), schedule=configure(schedule={"warmup": 0}).schedule), 1, 1)


@pytest.mark.parametrize("optimizer", ["adamw", "schedule_free_adamw"])
def test_a_banks_memory_is_free_as_soon_as_it_is_gone(
    configure: Callable[..., RunConfig], optimizer: str
) -> None:
    if optimizer != "adamw":
        pytest.importorskip("schedulefree")
    config = configure(optimizer)
    bank = Bank(config, 1, CPU)
    bank.enter(0, config, 1, 2)
    bank.step(torch.zeros(1, 1, 4, 17, dtype=torch.int64))
    rows = weakref.ref(bank.parameters)
    gc.disable()  # what it frees may come too late: a GPU holds one bank, not two
    try:
        del bank
        assert rows() is None
    finally:
        gc.enable()
