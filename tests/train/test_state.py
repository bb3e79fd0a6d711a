"""A run goes on from its state as if nothing had happened, in any slot of any bank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.train import checkpoint
from selector.train.bank import Bank, State
from selector.train.checkpoint import Snapshot
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from tests.train.defaults import EXAMPLES

CPU = torch.device("cpu")
STEPS, CUT, SEED = 30, 13, 7
Configure = Callable[..., RunConfig]


@pytest.fixture
def corpus(prepared: tuple[Data, Path]) -> Corpus:
    return Corpus.open(*prepared)


class FedBank:
    """A bank with its feed."""

    def __init__(self, config: RunConfig, width: int, corpus: Corpus) -> None:
        self.bank = Bank(config, width, CPU)
        self.feed = Feed(corpus.part("train"), config.batch, width, CPU)

    def enter(self, slot: int, config: RunConfig, seed: int, state: State | None = None) -> None:
        self.bank.enter(slot, config, seed, STEPS)
        if state is not None:
            self.bank.restore(slot, state)
        self.feed.enter(slot, seed, state.step if state else 0)

    def losses(self, steps: int) -> np.ndarray:
        """[steps, K]."""
        for _ in range(steps):
            self.bank.step(self.feed.next())
        return self.bank.drain()[0]


def busy(configure: Configure, optimizer: str) -> RunConfig:
    """A configuration with everything on that could depend on the step or the seed."""
    return configure(
        optimizer,
        batch={"micro_batch": 2, "accumulation": 2},
        regularization={"dropout": 0.2, "label_smoothing": 0.1, "z_loss": 1e-4},
    )


def on_disk(state: State, folder: Path) -> State:
    curve = [0.5] * state.step
    kept = Snapshot(config="c", state=state, losses=curve, norms=curve, seconds=0.25)
    checkpoint.save_trunk(folder, kept)
    loaded = checkpoint.load_trunk(folder)
    assert (loaded.config, loaded.losses, loaded.norms) == ("c", curve, curve)
    assert loaded.seconds == 0.25
    return loaded.state


@pytest.mark.parametrize("optimizer", EXAMPLES)
def test_a_run_that_was_stopped_and_resumed_has_the_same_bits(
    configure: Configure, corpus: Corpus, tmp_path: Path, optimizer: str
) -> None:
    config = busy(configure, optimizer)
    whole = FedBank(config, 1, corpus)
    whole.enter(0, config, SEED)
    expected = whole.losses(STEPS)
    first = FedBank(config, 1, corpus)
    first.enter(0, config, SEED)
    before = first.losses(CUT)
    state = first.bank.state(0)
    first.losses(3)  # the state is a copy: what comes after it is not in it
    second = FedBank(config, 1, corpus)
    second.enter(0, config, SEED, on_disk(state, tmp_path))
    after = second.losses(STEPS - CUT)
    assert np.array_equal(np.concatenate([before, after]), expected)
    assert torch.equal(second.bank.parameters, whole.bank.parameters)
    for name, buffer in whole.bank.optimizer.state.items():
        assert torch.equal(second.bank.optimizer.state[name], buffer)


@pytest.mark.parametrize("optimizer", EXAMPLES)
def test_a_state_goes_from_a_bank_of_one_into_a_bank_of_four_and_back(
    configure: Configure, corpus: Corpus, optimizer: str
) -> None:
    config = busy(configure, optimizer)
    alone = FedBank(config, 1, corpus)
    alone.enter(0, config, SEED)
    alone.losses(CUT)
    state = alone.bank.state(0)
    expected = alone.losses(STEPS - CUT)[:, 0]

    together = FedBank(config, 4, corpus)
    together.enter(1, config, SEED + 1)
    together.losses(4)
    neighbour = together.bank.state(1)
    together.enter(2, config, SEED, state)
    kept = together.bank.state(1)
    assert all(torch.equal(kept.tensors[name], row) for name, row in neighbour.tensors.items())
    half = (STEPS - CUT) // 2
    losses = together.losses(half)[:, 2]

    again = FedBank(config, 1, corpus)
    again.enter(0, config, SEED, together.bank.state(2))
    losses = np.concatenate([losses, again.losses(STEPS - CUT - half)[:, 0]])
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


def test_a_state_names_its_tensors(configure: Configure, corpus: Corpus) -> None:
    config = configure("adamw")
    bank = FedBank(config, 2, corpus)
    bank.enter(1, config, SEED)
    bank.losses(3)
    state = bank.bank.state(1)
    assert (state.seed, state.step) == (SEED, 3)
    weights = bank.bank.weights(1)
    assert state.tensors.keys() == {"factors"} | {
        f"{kind}/{name}" for kind in ("weights", "first", "second") for name in weights
    }
    assert all(torch.equal(state.tensors[f"weights/{name}"], row) for name, row in weights.items())
    assert len(state.tensors["factors"]) == 3


def test_the_state_of_another_run_is_refused(configure: Configure, corpus: Corpus) -> None:
    config = configure("adamw")
    bank = FedBank(config, 1, corpus)
    bank.enter(0, config, SEED)
    bank.losses(5)
    state = bank.bank.state(0)

    def restore(config: RunConfig, seed: int = SEED, steps: int = STEPS) -> None:
        other = Bank(config, 1, CPU)
        other.enter(0, config, seed, steps)
        other.restore(0, state)

    restore(config)
    with pytest.raises(ValueError, match="seed: expected 8, got 7"):
        restore(config, seed=8)
    with pytest.raises(ValueError, match="first 5 steps have other learning rates"):
        restore(config, steps=STEPS * 2)
    with pytest.raises(ValueError, match="state: expected tensors"):
        restore(configure("sgd"))
    with pytest.raises(ValueError, match="state: expected tensors"):
        restore(configure("adamw", model={"depth": 1}))
