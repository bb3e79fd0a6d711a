"""Loss scaling: as torch's GradScaler, for each slot by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from selector.config.compute import Compute
from selector.config.schema import Data, RunConfig
from selector.train import loss_scale
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.loss_scale import LossScale
from selector.train.optimizer import OPTIMIZERS

CPU = torch.device("cpu")
Configure = Callable[..., RunConfig]
#: Norms of a run's gradients, two of which are not finite.
NORMS = [1.0, math.inf, 2.0, 3.0, math.nan, 1.0, 1.0, 1.0, 1.0]


def half(config: RunConfig) -> RunConfig:
    return replace(config, compute=Compute(device="cpu", precision="fp16"))


def test_scales_go_the_way_of_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "_GROW_AFTER", 3)
    ours = LossScale(2, CPU)
    ours.enter(0)
    scale, growth = torch.tensor([2.0**16]), torch.zeros(1, dtype=torch.int32)
    for norm in NORMS:
        gradients = torch.full((2, 4), norm)
        ours.judge(gradients, torch.tensor([norm, norm]), torch.tensor([True, False]))
        infinite = torch.tensor([0.0 if math.isfinite(norm) else 1.0])
        torch._amp_update_scale_(scale, growth, infinite, 2.0, 0.5, 3)
        assert ours.value.tolist() == [float(scale), 1.0]
    assert int(ours.skipped[0]) == 2


def test_a_step_that_is_not_finite_is_left_out_and_its_neighbour_makes_it() -> None:
    ours = LossScale(2, CPU)
    ours.enter(0)
    ours.enter(1)
    both = torch.tensor([True, True])
    ours.judge(torch.ones(2, 4), torch.tensor([2.0, 2.0]), both)
    gradients = torch.tensor([[1.0, torch.nan], [1.0, 2.0]])
    steps, norms = ours.judge(gradients, gradients.norm(dim=1), both)
    assert steps.tolist() == [False, True]
    assert gradients.tolist() == [[0.0, 0.0], [1.0, 2.0]]
    assert norms.tolist() == pytest.approx([2.0, math.sqrt(5)])


def test_below_the_smallest_scale_a_run_has_diverged() -> None:
    ours = LossScale(1, CPU)
    ours.enter(0)
    norms = []
    for _ in range(40):
        _, norm = ours.judge(torch.ones(1, 4), torch.tensor([torch.inf]), torch.tensor([True]))
        norms.append(float(norm))
    first = norms.index(math.inf)
    assert 2.0**16 * 0.5 ** (first + 1) < 1e-4 <= 2.0**16 * 0.5**first


@pytest.mark.parametrize("optimizer", [n for n, kind in OPTIMIZERS.items() if kind.banked])
def test_an_optimizer_leaves_a_slot_alone_that_makes_no_step(
    configure: Configure, optimizer: str
) -> None:
    config = configure(optimizer)
    bank = Bank(config, 2, CPU)
    for slot in range(2):
        bank.enter(slot, config, seed=slot, steps=4)
    for tensors in (bank.optimizer.tensors(0), bank.optimizer.tensors(1)):
        for tensor in tensors.values():
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1.0)
    before, neighbour = bank.state(0), bank.parameters[1].clone()
    bank.gradients[0] = 0.0
    bank.gradients[1] = 0.1
    bank.optimizer.step(torch.ones(2), torch.tensor([0, 3]), torch.tensor([False, True]))
    after = bank.state(0).tensors
    assert all(torch.equal(after[name], tensor) for name, tensor in before.tensors.items())
    assert not torch.equal(bank.parameters[1], neighbour)


def test_a_run_that_skips_steps_makes_the_others_as_if_they_were_all(
    configure: Configure, prepared: tuple[Data, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data and its rate go on; the count of its updates, and so Adam's bias, does not."""
    monkeypatch.setattr(loss_scale, "_FIRST", 2.0**40)  # overflows at first, again and again
    config = half(configure(schedule={"name": "constant"}))
    corpus = Corpus.open(*prepared)
    bank, feed = Bank(config, 2, CPU), Feed(corpus.part("train"), config.batch, 2, CPU)
    for slot in range(2):
        bank.enter(slot, config, seed=slot, steps=40)
        feed.enter(slot, slot)
    scale = bank._scale
    assert scale is not None
    scale.value[1] = 1.0
    start = bank.parameters.clone()
    bank.step(feed.next())
    assert torch.equal(bank.parameters[0], start[0])
    assert not torch.equal(bank.parameters[1], start[1])
    while scale.skipped[0] == bank.count[0]:
        bank.step(feed.next())
    skipped, made = int(scale.skipped[0]), int(bank.count[0])
    assert made == skipped + 1 > 2
    assert scale.skipped[1] == 0
    # Adam's first update is as long as the rate wherever there is a gradient.
    moved = (bank.parameters[0] - start[0]).abs().max()
    assert float(moved) == pytest.approx(config.optimizer["lr"], rel=0.05)
    losses, norms = bank.drain()
    assert np.isfinite(losses).all()
    assert np.isfinite(norms).all()


def test_a_scale_is_part_of_a_runs_state(configure: Configure) -> None:
    config = half(configure())
    bank = Bank(config, 2, CPU)
    bank.enter(1, config, seed=3, steps=4)
    assert bank._scale is not None
    bank._scale.value[1], bank._scale.skipped[1] = 8.0, 5
    state = bank.state(1)
    other = Bank(config, 1, CPU)
    other.enter(0, config, seed=3, steps=4)
    other.restore(0, state)
    assert other._scale is not None
    assert (float(other._scale.value), int(other._scale.skipped)) == (8.0, 5)
