"""Schedules against those of torch.optim.lr_scheduler, where torch has one.

Torch counts steps as we do: the rate of step s is the one before its s-th `scheduler.step()`. It
has no warmup, so ours is 0 here, or is what torch calls the rise. Torch's curves end at the last
step but for `OneCycleLR`, whose `total_steps` includes its end: it gets one step more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from selector.train.schedule import SCHEDULES
from selector.train.schedule.plateau import Plateau

STEPS = 120
CASES: list[tuple[str, Mapping[str, Any], Callable[[torch.optim.Optimizer], LRScheduler]]] = [
    (
        "linear_to_zero",
        {"warmup": 0.0},
        lambda optimizer: lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=STEPS),
    ),
    (
        "cosine",
        {"warmup": 0.0, "floor": 0.1},
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS, eta_min=0.1),
    ),
    (
        "exponential",
        {"warmup": 0.0, "final": 0.01},
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1 / STEPS)),
    ),
    (
        "step",
        {"warmup": 0.0, "milestones": (0.25, 0.6, 0.9), "gamma": 0.3},
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [30, 72, 108], gamma=0.3),
    ),
    (
        "polynomial",
        {"warmup": 0.0, "power": 1.7, "floor": 0.0},
        lambda optimizer: lr_scheduler.PolynomialLR(optimizer, STEPS, power=1.7),
    ),
    (
        "cosine_restarts",
        {"warmup": 0.0, "cycles": 4, "stretch": 2.0, "floor": 0.05},
        lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 8, 2, eta_min=0.05),
    ),
    (
        "inverse_sqrt",
        {"warmup": 0.1},  # 12 steps, so that the 13th has the peak; the paper's formula
        lambda optimizer: lr_scheduler.LambdaLR(
            optimizer, lambda step: 13**0.5 * min((step + 1) ** -0.5, (step + 1) * 13**-1.5)
        ),
    ),
]
for _anneal in ("cosine", "linear"):
    CASES.append(
        (
            "one_cycle",
            {"warmup": 0.3, "start": 0.04, "final": 4e-6, "anneal": _anneal},
            lambda optimizer, anneal=_anneal: lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=1.0,
                total_steps=STEPS + 1,
                pct_start=37 / (STEPS + 1),  # 36 steps of rise, then the peak
                anneal_strategy="cos" if anneal == "cosine" else "linear",
                cycle_momentum=False,
            ),
        )
    )


def rates(build: Callable[[torch.optim.Optimizer], LRScheduler], steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler, found = build(optimizer), []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(("name", "values", "build"), CASES)
def test_the_rates_are_torchs(name, values, build) -> None:
    ours = [SCHEDULES[name](step, STEPS, values) for step in range(STEPS)]
    assert ours == pytest.approx(rates(build, STEPS), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("mode", "gamma"), [("triangular", 1.0), ("triangular2", 0.5)])
def test_a_zigzag_is_torchs_from_its_first_peak_on(mode: str, gamma: float) -> None:
    values = {"warmup": 0.25, "cycles": 5, "floor": 0.1, "gamma": gamma}
    # 30 steps of warmup and 9 falls and rises of 10; torch's first rise takes 10 too
    theirs = rates(
        lambda optimizer: lr_scheduler.CyclicLR(
            optimizer, base_lr=0.1, max_lr=1.0, step_size_up=10, mode=mode, cycle_momentum=False
        ),
        100,
    )
    ours = [SCHEDULES["cyclic"](step, STEPS, values) for step in range(30, STEPS)]
    assert ours == pytest.approx(theirs[10:], rel=1e-9)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_cuts_come_when_torchs_do(patience: int) -> None:
    losses = [3.0, 2.0, 2.001, 1.999, 1.9995, 1.5, 1.5, 1.5, 1.5, 1.6, 1.2, 1.3, 1.3, 1.3, 1.3, 1.3]
    values = {"gamma": 0.3, "patience": patience, "threshold": 1e-3, "floor": 0.05}
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=patience, threshold=1e-3, min_lr=0.05, eps=0.0
    )
    ours, product = Plateau(values), 1.0
    for loss in losses:
        theirs.step(loss)
        product *= ours.see(loss)
        assert ours.share == pytest.approx(optimizer.param_groups[0]["lr"])
        assert product == pytest.approx(ours.share)
    assert ours.share < 1.0
