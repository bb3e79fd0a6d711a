"""Dropout without a generator: whether an element is kept is a hash.

Of (seed, step, layer, element): so a run's masks do not depend on its neighbours in a bank, on its
slot, or on what ran before.
"""

from __future__ import annotations

import torch
from torch import Tensor

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


class Masks:
    """Reproducible coin tosses of one forward pass, for each slot and place of a model.

    Args:
        seed: int64 [K], each run's seed.
        count: int64 [K], each run's forward passes so far.
        places: where tosses are wanted; equal places of equal passes have equal tosses.
    """

    def __init__(self, seed: Tensor, count: Tensor, places: range) -> None:
        keys = torch.arange(2 * places.start + 1, 2 * places.stop + 1, device=seed.device) * _LAYER
        keys = _scramble(_scramble(_scramble(seed).add_(count)).unsqueeze(1) + keys)
        self._keys = (keys & _MASK_31).to(torch.int32).view(len(seed), len(places), 2)

    def kept(self, size: int, place: int, threshold: Tensor) -> Tensor:
        """Bool [K, size]: True with probability 1 - rate, for the `threshold` [K, 1] of a rate.

        `place` counts from the first one of the places.
        """
        first, second = self._keys[:, place, :1], self._keys[:, place, 1:]
        element = torch.arange(size, device=first.device, dtype=torch.int32)
        value = (element ^ first).mul_(_SMALL[0])
        value.bitwise_xor_((value >> 15).bitwise_and_(0x1FFFF)).add_(second).mul_(_SMALL[1])
        value.bitwise_xor_((value >> 13).bitwise_and_(0x7FFFF)).mul_(_SMALL[2])
        value.bitwise_xor_((value >> 16).bitwise_and_(0xFFFF))
        return value >= threshold


def threshold(rate: Tensor) -> Tensor:
    """int32, shaped as `rate`: below it lies the share `rate` of the int32 numbers."""
    # A hash is uniform over the int32 numbers.
    return ((rate * 2.0**31).to(torch.int64) * 2 - 2**31).to(torch.int32)


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
        self._masks = Masks(seed, count, range(layers))
        self._threshold = threshold(rate).unsqueeze(1)
        self._scale = (1.0 / (1.0 - rate)).unsqueeze(1)

    def __call__(self, x: Tensor, layer: int) -> Tensor:
        """x [K, ...] (or [...] for one run) with elements dropped and the others scaled up."""
        flat = x.reshape(self._slots, -1)
        keep = self._masks.kept(flat.shape[1], layer, self._threshold)
        factor = torch.where(keep, self._scale.to(x.dtype), 0.0)
        return (flat * factor).view(x.shape)
