"""Clipping is torch's, slot by slot."""

from __future__ import annotations

import torch

from selector.train.regularization.clipping import clip_by_norm, clip_by_value


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


def test_clipping_by_value_is_torchs_for_each_slot_and_off_at_zero() -> None:
    gradients = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    gradients[3, 0] = torch.nan
    before = gradients.clone()
    largest = (0.5, 0.0, 1.5, 0.5)
    clip_by_value(gradients, torch.tensor(largest))
    for slot in (0, 2):
        vector = torch.nn.Parameter(torch.zeros(1000))
        vector.grad = before[slot].clone()
        torch.nn.utils.clip_grad_value_([vector], largest[slot])
        assert torch.equal(gradients[slot], vector.grad)
        assert not torch.equal(gradients[slot], before[slot])
    assert torch.equal(gradients[1], before[1])
    assert torch.isnan(gradients[3, 0]), "what is no number must be seen, not cut"
