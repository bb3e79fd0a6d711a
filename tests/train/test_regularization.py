"""Dropout's masks, clipping, and the losses of training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from selector.train.regularization.clipping import clip_by_norm
from selector.train.regularization.dropout import Dropout
from selector.train.regularization.loss import cross_entropy, smoothed_cross_entropy

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


def test_clipping_is_torchs_for_each_slot_and_off_at_zero() -> None:
    gradients = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    gradients[3] = torch.nan
    expected = gradients.clone()
    largest = torch.tensor([1.0, 0.0, 1e6, 1.0])
    for slot in (0, 2):
        vector = torch.nn.Parameter(torch.zeros(1000))
        vector.grad = expected[slot]
        torch.nn.utils.clip_grad_norm_([vector], float(largest[slot]))
    before = gradients[:3].norm(dim=1)
    norms = clip_by_norm(gradients, largest)
    torch.testing.assert_close(norms[:3], before)
    torch.testing.assert_close(gradients[:3], expected[:3])
    assert torch.isnan(norms[3])


def test_losses_are_torchs_for_each_slot() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 20, 11, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 11, (3, 20), generator=generator)
    smoothing, weight = torch.tensor([0.0, 0.1, 0.3]), torch.tensor([0.0, 1e-2, 0.0])
    loss, plain = smoothed_cross_entropy(logits, targets, smoothing, weight)
    torch.testing.assert_close(cross_entropy(logits, targets), plain)
    for slot in range(3):
        arguments = (logits[slot], targets[slot])
        torch.testing.assert_close(plain[slot], functional.cross_entropy(*arguments))
        expected = functional.cross_entropy(*arguments, label_smoothing=float(smoothing[slot]))
        expected += weight[slot] * logits[slot].logsumexp(-1).square().mean()
        torch.testing.assert_close(loss[slot], expected, rtol=1e-6, atol=1e-6)
