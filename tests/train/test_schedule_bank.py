"""Schedules in a bank: every slot its own, with the numbers of torch's optimizer and scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from selector.config.schema import Data, RunConfig
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.data.sample import windows

CPU, STEPS = torch.device("cpu"), 20
Build = Callable[[torch.optim.Optimizer], LRScheduler]
#: A schedule, the peak rate, the length of the run, and torch's.
RUNS: list[tuple[Mapping[str, Any], float, int, Build]] = [
    (
        {"name": "exponential", "warmup": 0.0, "final": 0.01},
        0.3,
        20,
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1 / 20)),
    ),
    (
        {"name": "step", "warmup": 0.0, "milestones": (0.2, 0.5), "gamma": 0.3},
        0.1,
        30,
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [6, 15], gamma=0.3),
    ),
    (
        {"name": "cosine_restarts", "warmup": 0.0, "cycles": 2, "stretch": 3.0, "floor": 0.1},
        0.2,
        40,
        lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(
            optimizer, 10, 3, eta_min=0.1 * 0.2
        ),
    ),
]


@pytest.mark.parametrize("slots", [(0,), (1,), (2,), (0, 1, 2)])
def test_every_slot_has_the_numbers_of_torch(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Path], slots: tuple[int, ...]
) -> None:
    def config(run: int) -> RunConfig:
        values = {"lr": RUNS[run][1], "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
        off = {"grad_clip": 0.0}
        return configure("sgd", values=values, schedule=RUNS[run][0], regularization=off)

    tokens = Corpus.open(*prepared).part("train")
    bank = Bank(config(slots[0]), len(slots), CPU, torch.float64)
    theirs, steppers = [], []
    for slot, run in enumerate(slots):
        bank.enter(slot, config(run), seed=run, steps=RUNS[run][2])
        row = torch.nn.Parameter(bank.parameters[slot].clone())
        optimizer = torch.optim.SGD([row], lr=RUNS[run][1])
        theirs.append(row)
        steppers.append((optimizer, RUNS[run][3](optimizer)))
    for step in range(STEPS):
        indices = np.arange(4 * step, 4 * step + 4)
        batch = np.stack([windows(tokens, run, indices, 16) for run in slots])
        bank.step(torch.from_numpy(batch).unsqueeze(0))
        for slot, (optimizer, scheduler) in enumerate(steppers):
            theirs[slot].grad = bank.gradients[slot].clone()
            optimizer.step()
            scheduler.step()
    for slot, row in enumerate(theirs):
        torch.testing.assert_close(bank.parameters[slot], row.data, rtol=1e-9, atol=1e-12)
