"""Norms by groups of layers, and what a run says of its clipping."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.space import cost
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.gradients import LayerGroups, described
from selector.train.member import Member

CPU = torch.device("cpu")


def test_groups_are_the_embeddings_and_each_block_from_the_input_on(
    configure: Callable[..., RunConfig],
) -> None:
    bank = Bank(configure(model={"depth": 12, "tied_embeddings": False}), 2, CPU)
    expected = torch.zeros(2, 13, dtype=torch.float64)
    for name, view in bank.layout.views(bank.gradients).items():
        values = torch.randn(view.shape)
        view.copy_(values)
        squares = values.double().flatten(1).square().sum(1)
        if name.endswith("embedding") or name == "head":
            expected[:, 0] += squares
        elif name.partition(".")[0].isdigit():
            expected[:, 1 + int(name.partition(".")[0])] += squares
    found = LayerGroups(bank.layout).norms(bank.gradients)
    torch.testing.assert_close(found.double(), expected.sqrt(), rtol=1e-5, atol=0.0)


def test_a_measured_step_keeps_the_norms_before_clipping_and_trains_the_same(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Any]
) -> None:
    config = configure("sgd", regularization={"grad_clip": 1e-3})
    rows = []
    for measured in (False, True):
        bank = Bank(config, 1, CPU)
        feed = Feed(Corpus.open(*prepared).part("train"), config.batch, 1, CPU)
        bank.enter(0, config, 1, 5)
        feed.enter(0, 1)
        bank.step(feed.next(), measured=measured)
        rows.append(bank.parameters)
    (norms,) = [bank.group_norms(0)]
    _, total = bank.drain()
    assert torch.equal(*rows)
    assert 1e-3 < math.hypot(*norms) <= total[0, 0] * (1 + 1e-6)
    assert math.hypot(*norms) == pytest.approx(total[0, 0], rel=0.05)  # the final norm is left out


def test_the_spread_is_between_blocks_and_always_finite() -> None:
    often = {"gradient_norm/embedding": 9.0, "gradient_norm/spread": 4.0}
    each = {f"gradient_norm/block/{place}": norm for place, norm in enumerate([2.0, 8.0, 4.0])}
    assert described([9.0, 2.0, 8.0, 4.0], blocks=False) == often
    assert described([9.0, 2.0, 8.0, 4.0], blocks=True) == often | each
    assert math.isfinite(described([1.0, 0.0, 1.0], blocks=False)["gradient_norm/spread"])


@pytest.mark.parametrize(("clip", "share"), [(1.0, 0.5), (0.0, 0.0), (5.0, 0.0)])
def test_the_clipped_share_counts_all_steps_so_far(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Any], clip: float, share: float
) -> None:
    from selector.track.run import Run

    config = configure(regularization={"grad_clip": clip})
    run = Run(key="a", config=config, stage="explore", seed=1, tokens=640)
    member = Member(run, 0, Corpus.open(*prepared))
    for norms in ([0.5, 2.0], [3.0, 1.0]):
        member.take(np.array([2.0, 2.0]), np.array(norms))
        member.step += 2
        last = member.metrics(1.0, 1e9)["clipped_share"]
    assert last == share


def test_utilization_is_the_formula_s_work_in_the_time_since_the_last_report(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Any]
) -> None:
    from selector.track.run import Run

    config = configure()
    run = Run(key="a", config=config, stage="explore", seed=1, tokens=640)
    member = Member(run, 0, Corpus.open(*prepared))
    for steps, seconds in ((2, 1.0), (4, 1.5)):
        member.take(np.full(steps, 2.0), np.ones(steps))
        member.step += steps
        found = member.metrics(seconds, capacity=1e9)
    assert found["tokens_per_second"] == pytest.approx(4 * 64 / 0.5)
    work = cost.flops_per_token(config) * 4 * 64 / 0.5
    assert found["model_flop_utilization"] == pytest.approx(work / 1e9)
