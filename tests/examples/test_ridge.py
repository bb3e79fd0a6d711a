"""The example of a user's function: it learns, repeats itself, diverges honestly, stops."""

from __future__ import annotations

import math
import runpy
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "examples/function"
TRAIN = runpy.run_path(str(FOLDER / "ridge.py"))["train"]
PARAMETERS = yaml.safe_load((FOLDER / "objective/ridge.yaml").read_text())["parameters"]


@dataclass
class Recording:
    """What a function is given, kept in memory."""

    seed: int = 0
    stop_after: int = 10**9
    losses: list[float] = field(default_factory=list)

    def report(self, step: int, *, loss: float) -> None:
        """Keep the loss."""
        self.losses.append(loss)

    def should_stop(self) -> bool:
        """After some reports."""
        return len(self.losses) >= self.stop_after


def losses(recording: Recording, **parameters: Any) -> list[float]:
    settings = {**PARAMETERS, **parameters}
    TRAIN(SimpleNamespace(objective=SimpleNamespace(parameters=settings)), recording)
    return recording.losses


def test_it_learns_quickly_down_to_the_noise() -> None:
    start = time.perf_counter()
    found = losses(Recording(), lr=0.45, momentum=0.5, steps=300)
    assert time.perf_counter() - start < 1
    assert len(found) == 10
    assert found[-1] < found[0]
    assert found[-1] == pytest.approx(0.1**2, rel=0.6)  # the noise has a deviation of 0.1


def test_a_seed_decides_everything() -> None:
    assert losses(Recording(seed=3)) == losses(Recording(seed=3)) != losses(Recording(seed=4))


@pytest.mark.parametrize("lr", [10, 1e6, 1e300])
def test_a_rate_that_is_too_large_ends_in_a_loss_that_is_not_a_number(lr: float) -> None:
    assert math.isnan(losses(Recording(), lr=lr)[-1])


def test_it_ends_when_it_is_asked_to() -> None:
    assert len(losses(Recording(stop_after=3))) == 3
