"""Causal language modelling: predict every next token. Losses are in nats per token."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from selector.train.regularization.loss import cross_entropy, smoothed_cross_entropy


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is added to the loss in training only, for each slot: [K] each."""

    label_smoothing: Tensor
    z_loss: Tensor


def inputs(windows: Tensor) -> Tensor:
    """What the model reads of windows [..., context + 1]."""
    return windows[..., :-1]


def losses(logits: Tensor, windows: Tensor, extras: Extras | None = None) -> tuple[Tensor, Tensor]:
    """The loss to train on, and the plain cross-entropy to report: [K] each, means over tokens.

    Args:
        logits: [K, n, V], or [n, V] for one run, with n = sequences * context.
        windows: [K, sequences, context + 1].
        extras: None where neither label smoothing nor z-loss is on.
    """
    targets = windows[..., 1:].flatten(1)
    logits = logits.view(*targets.shape, -1)
    if extras is None:
        loss = cross_entropy(logits, targets)
        return loss, loss.detach()
    return smoothed_cross_entropy(logits, targets, extras.label_smoothing, extras.z_loss)


def right(logits: Tensor, windows: Tensor) -> Tensor:
    """Share of the targets with the largest of their logits: [K]; shapes as in `losses`."""
    targets = windows[..., 1:].flatten(1)
    return (logits.view(*targets.shape, -1).argmax(-1) == targets).float().mean(1)
