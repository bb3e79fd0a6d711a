"""The losses of training."""

from __future__ import annotations

import torch
from torch.nn import functional

from selector.train.regularization.loss import cross_entropy, smoothed_cross_entropy


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
