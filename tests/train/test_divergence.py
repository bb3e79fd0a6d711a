"""What is not finite ends its run at that step, and no other."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.track.run import Outcome, Run
from selector.train.bank import Bank
from selector.train.loop import train

POISONED = 17
VALUES = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@pytest.fixture
def pair(configure: Callable[..., RunConfig], prepared: tuple[Data, Path]) -> list[Run]:
    config = configure(regularization={"dropout": 0.1})
    return [
        Run(
            key=key, config=config, stage="explore", seed=seed, tokens=3840, data_folder=prepared[1]
        )
        for key, seed in (("calm", 1), ("wild", 2))
    ]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("where", ["training loss", "gradient norm"])
def test_a_number_that_is_not_finite_ends_its_run_at_that_step(
    pair: list[Run],
    recorder: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    value: str,
) -> None:
    undisturbed, kept = recorder(), recorder()
    train(pair, undisturbed, "cpu")
    found = Bank.compute_gradients

    def poisoned(self: Bank, windows: torch.Tensor) -> torch.Tensor:
        loss = found(self, windows)
        here = self.active[1] & (self.count[1] == POISONED - 1)
        target = loss[1:] if where == "training loss" else self.gradients[1, :1]
        target[here.expand(1)] = VALUES[value]
        return loss

    monkeypatch.setattr(Bank, "compute_gradients", poisoned)
    train(pair, kept, "cpu")
    ended = dict(kept.ended)
    assert (ended["wild"].outcome, ended["wild"].steps) == (Outcome.DIVERGED, POISONED)
    shown = value if where == "training loss" else value.lstrip("-")  # a norm has no sign
    assert f"{where} was {shown} at step {POISONED} of 60" in ended["wild"].error
    before = kept.curve("wild", "train/loss")
    assert before == undisturbed.curve("wild", "train/loss")[: len(before)]
    assert [step for step, _ in before][-1] < POISONED
    assert ended["calm"].outcome is Outcome.COMPLETE
    for metric in ("train/loss", "validation/loss", "gradient_norm"):
        assert kept.curve("calm", metric) == undisturbed.curve("calm", metric)


def test_weights_that_are_not_finite_end_a_run_at_its_evaluation(
    pair: list[Run], recorder: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped = Bank.step

    def poisoned(self: Bank, windows: torch.Tensor, **measured: bool) -> None:
        stepped(self, windows, **measured)
        self.parameters[1, 0] = torch.where(self.count[1] == 60, math.inf, self.parameters[1, 0])

    monkeypatch.setattr(Bank, "step", poisoned)
    kept = recorder()
    train(pair, kept, "cpu")
    ended = dict(kept.ended)
    assert (ended["wild"].outcome, ended["wild"].steps) == (Outcome.DIVERGED, 60)
    assert "validation loss was nan at step 60 of 60" in ended["wild"].error
    assert ended["calm"].outcome is Outcome.COMPLETE
