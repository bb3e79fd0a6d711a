"""Stochastic depth: which sequences skip which branches, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from selector.config.schema import RunConfig
from selector.train.data.corpus import Corpus
from selector.train.regularization.dropout import Dropout
from selector.train.regularization.stochastic_depth import StochasticDepth

LAYERS, SEQUENCES, LENGTH = 7, 4000, 3  # the embedding, and six branches
Configure = Callable[..., RunConfig]


def branches(
    layer: int, rate: float = 0.6, seed: int = 3, count: int = 5, sequences: int = SEQUENCES
) -> Tensor:
    """What becomes of ones: [sequences, length, features]."""
    given = (torch.tensor([rate]), torch.tensor([seed]), torch.tensor([count]))
    depth = StochasticDepth(*given, LAYERS, sequences)
    return depth(torch.ones(sequences * LENGTH, 2), layer).view(sequences, LENGTH, 2)


@pytest.mark.parametrize("layer", range(1, LAYERS))
def test_later_branches_are_skipped_more_often_and_their_mean_stays(layer: int) -> None:
    out = branches(layer)
    probability = 0.6 * layer / (LAYERS - 1)
    assert torch.equal(out, out[:, :1, :1].expand_as(out)), "a sequence is skipped as a whole"
    skipped = out[:, 0, 0].eq(0).float().mean()
    error = (probability * (1 - probability) / SEQUENCES) ** 0.5
    assert float(skipped) == pytest.approx(probability, abs=4 * error)
    kept = out[out > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - probability)))


def test_the_embedding_is_never_skipped() -> None:
    assert torch.equal(branches(0, rate=0.9), torch.ones(SEQUENCES, LENGTH, 2))


@pytest.mark.parametrize("other", [{"seed": 4}, {"count": 6}, {"layer": 5}])
def test_other_seeds_passes_and_branches_skip_independently(other: dict[str, int]) -> None:
    first, second = (branches(**{"layer": 6, **of})[:, 0, 0].gt(0).float() for of in ({}, other))
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 4 / SEQUENCES**0.5


def test_it_tosses_other_coins_than_dropout() -> None:
    depth = branches(LAYERS - 1, rate=0.5)[:, 0, 0].gt(0).float()
    drop = Dropout(torch.tensor([0.5]), torch.tensor([3]), torch.tensor([5]), LAYERS)
    for layer in range(LAYERS):
        kept = drop(torch.ones(SEQUENCES), layer).gt(0).float()
        assert abs(float(torch.corrcoef(torch.stack([depth, kept]))[0, 1])) < 4 / SEQUENCES**0.5


def test_a_slot_of_a_bank_skips_as_alone() -> None:
    rates, seeds = torch.tensor([0.2, 0.0, 0.7]), torch.tensor([5, 6, 5])
    counts = torch.tensor([1, 2, 1])
    together = StochasticDepth(rates, seeds, counts, LAYERS, 40)(torch.ones(3, 120, 2), 6)
    for slot in range(3):
        own = (rates[slot, None], seeds[slot, None], counts[slot, None])
        alone = StochasticDepth(*own, LAYERS, 40)(torch.ones(120, 2), 6)
        assert torch.equal(alone, together[slot])
    assert together[1].eq(1).all()


@pytest.mark.slow
def test_everything_at_once_trains_in_a_bank_as_alone(
    with_sgd: Configure, corpus: Corpus, tools: Any
) -> None:
    configs = [
        with_sgd(
            dropout=0.1 * scale,
            stochastic_depth=0.2 * scale,
            label_smoothing=0.05 * scale,
            z_loss=1e-3 * scale,
            l1=1e-4 * scale,
            sam=0.05 * scale,
            grad_clip=1.0 * scale,
            grad_clip_value=0.02 * scale,
            ema=0.1 * scale,
        )
        for scale in (1, 2, 3)
    ]
    together = tools.Trained(configs, 20, corpus)
    for place, config in zip(together.places, configs, strict=True):
        alone = tools.Trained([config], 20, corpus, (place,))
        tools.close(together.weights(place, 20), alone.weights(0, 20))
        tools.close(together.judged[20][place], alone.judged[20][0])
    calm = tools.Trained([with_sgd(stochastic_depth=1e-9)], 20, corpus, (0,))
    assert not torch.equal(calm.rows[-1][0], together.rows[-1][0])
