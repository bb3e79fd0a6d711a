"""Dropout's masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from selector.train.regularization.dropout import Dropout

SIZE = 200_000


def mask(seed: int, count: int, layer: int, rate: float = 0.3, size: int = SIZE) -> Tensor:
    """1 where an element is kept, else 0."""
    drop = Dropout(torch.tensor([rate]), torch.tensor([seed]), torch.tensor([count]), 3)
    return drop(torch.ones(size), layer).ne(0).float()


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_the_share_dropped_is_the_rate_and_the_mean_stays(rate: float) -> None:
    drop = Dropout(torch.tensor([rate]), torch.tensor([3]), torch.tensor([7]), 2)
    out = drop(torch.ones(SIZE), 1)
    tolerance = 4 * (rate * (1 - rate) / SIZE) ** 0.5
    assert float(out.eq(0).float().mean()) == pytest.approx(rate, abs=tolerance)
    assert float(out.mean()) == pytest.approx(1.0, abs=tolerance / (1 - rate))


@pytest.mark.parametrize("other", [(4, 7, 1), (3, 8, 1), (3, 7, 2), (2**40 + 3, 7, 1), (-3, 7, 1)])
def test_masks_of_other_seeds_steps_and_layers_are_independent(
    other: tuple[int, int, int],
) -> None:
    both = torch.stack([mask(3, 7, 1), mask(*other)])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 4 / SIZE**0.5


@pytest.mark.parametrize("lag", [1, 2, 64, 128, 256, 4096])
def test_elements_of_a_mask_are_independent(lag: int) -> None:
    whole = mask(1, 0, 0)
    both = torch.stack([whole[:-lag], whole[lag:]])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 4 / SIZE**0.5


def test_a_mask_is_the_same_in_any_slot_of_any_bank() -> None:
    rates, seeds = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([5, 6, 5])
    drop = Dropout(rates, seeds, torch.tensor([1, 2, 1]), 4)
    together = drop(torch.ones(3, 8, 10), 3)
    for slot in range(3):
        alone = Dropout(rates[slot, None], seeds[slot, None], torch.tensor([[1, 2, 1][slot]]), 4)
        assert torch.equal(alone(torch.ones(8, 10), 3), together[slot])


def test_dropped_elements_are_chosen_not_multiplied_in_their_gradient() -> None:
    x = torch.ones(1000, requires_grad=True)
    drop = Dropout(torch.tensor([0.5]), torch.tensor([1]), torch.tensor([1]), 1)
    out = drop(x, 0)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())
