"""Dropout, gradient clipping, label smoothing and z-loss, each with its own value in every slot.

Dropout draws no numbers from a generator: whether an element is kept is a hash of (seed, step,
layer, element), so a run's masks do not depend on its neighbours in a bank, on its slot, or on
what ran before.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_MASK_31 = 2**31 - 1


def _signed(value: int, bits: int) -> int:
    """The two's-complement number of the same bits, which is what torch's integers hold."""
    return value - 2**bits if value >= 2 ** (bits - 1) else value


# Multipliers of the finalizers of splitmix64 (Steele et al. 2014) and of xxHash32.
_LARGE = (_signed(0xBF58476D1CE4E5B9, 64), _signed(0x94D049BB133111EB, 64))
_SMALL = (_signed(0x9E3779B1, 32), _signed(0x85EBCA77, 32), _signed(0xC2B2AE3D, 32))
_LAYER = _signed(0x9E3779B97F4A7C15, 64)


def _scramble(value: Tensor) -> Tensor:
    """splitmix64's finalizer on int64; a right shift keeps the sign, hence the masks."""
    value = (value ^ ((value >> 30) & (2**34 - 1))) * _LARGE[0]
    value = (value ^ ((value >> 27) & (2**37 - 1))) * _LARGE[1]
    return value ^ ((value >> 31) & (2**33 - 1))


class Dropout:
    """The masks of one forward pass; called as drop(x, layer) by a model.

    Args:
        rate: [K], the share of elements that are dropped.
        seed: int64 [K], each run's seed.
        count: int64 [K], each run's forward passes so far.
        layers: in how many places the model drops.
    """

    def __init__(self, rate: Tensor, seed: Tensor, count: Tensor, layers: int) -> None:
        self._slots = len(rate)
        places = torch.arange(1, 2 * layers + 1, device=seed.device) * _LAYER
        keys = _scramble(_scramble(_scramble(seed).add_(count)).unsqueeze(1) + places)
        self._keys = (keys & _MASK_31).to(torch.int32).view(self._slots, layers, 2)
        # A hash is uniform over the int32 numbers; below the threshold lies the share `rate`.
        threshold = (rate * 2.0**31).to(torch.int64) * 2 - 2**31
        self._threshold = threshold.to(torch.int32).unsqueeze(1)
        self._scale = (1.0 / (1.0 - rate)).unsqueeze(1)

    def __call__(self, x: Tensor, layer: int) -> Tensor:
        """x [K, ...] (or [...] for one run) with elements dropped and the others scaled up."""
        flat = x.reshape(self._slots, -1)
        keep = self._hash(flat.shape[1], layer) >= self._threshold
        factor = torch.where(keep, self._scale.to(x.dtype), 0.0)
        return (flat * factor).view(x.shape)

    def _hash(self, size: int, layer: int) -> Tensor:
        first, second = self._keys[:, layer, :1], self._keys[:, layer, 1:]
        element = torch.arange(size, device=first.device, dtype=torch.int32)
        value = (element ^ first).mul_(_SMALL[0])
        value.bitwise_xor_((value >> 15).bitwise_and_(0x1FFFF)).add_(second).mul_(_SMALL[1])
        value.bitwise_xor_((value >> 13).bitwise_and_(0x7FFFF)).mul_(_SMALL[2])
        value.bitwise_xor_((value >> 16).bitwise_and_(0xFFFF))
        return value


def clip_by_norm(gradients: Tensor, largest: Tensor) -> Tensor:
    """Scale each row of `gradients` [K, N], in place, to a norm of at most `largest` [K].

    Where `largest` is 0 the row stays as it is. Same arithmetic as torch's clip_grad_norm_.

    Returns:
        The norms before, [K].
    """
    norm: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    factor = (largest.to(norm.dtype) / (norm + 1e-6)).clamp_(max=1.0)
    gradients.mul_(torch.where(largest > 0, factor, 1.0).unsqueeze(1))
    return norm


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
