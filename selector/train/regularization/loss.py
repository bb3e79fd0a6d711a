"""The losses of training: plain cross-entropy, and with label smoothing and z-loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def smoothed_cross_entropy(
    logits: Tensor, targets: Tensor, label_smoothing: Tensor, z_loss: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss to train on with label smoothing and z-loss, and the plain cross-entropy.

    Args:
        logits: [K, n, V].
        targets: [K, n].
        label_smoothing: [K], the share of probability spread evenly over all V tokens
            (arXiv 1512.00567, section 7).
        z_loss: [K], the weight of log(Z)^2 (arXiv 2204.02311, section 5).

    Returns:
        Both as means over n: [K], [K].
    """
    log_partition = logits.logsumexp(-1)
    target_logit = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    plain = (log_partition - target_logit).mean(1)
    uniform = (log_partition - logits.mean(-1)).mean(1)
    smoothed = torch.lerp(plain, uniform, label_smoothing.to(plain.dtype))
    return smoothed + z_loss.to(plain.dtype) * log_partition.square().mean(1), plain.detach()


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of each slot, [K], in nats, from logits [K, n, V], targets [K, n]."""
    losses = functional.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(targets.shape).mean(1)
