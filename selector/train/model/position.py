"""How the order of tokens comes in where no table is trained for it.

Tables are made anew in each forward pass: they are small, and nothing then lies on a device that
another run cannot share. Angles are computed in at least single precision.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_BASE = 10_000.0  # of the wavelengths, in both papers


def sines(length: int, width: int, like: Tensor) -> Tensor:
    """Sines and cosines of each position, [length, width] (arXiv 1706.03762, section 3.5)."""
    angles = _angles(length, width, like)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width].to(like.dtype)


def rotation(length: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary embeddings (arXiv 2104.09864), [length, size / 2] each."""
    angles = _angles(length, size, like)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """x [..., length, size] with feature i and i + size / 2 turned as a pair, as in GPT-NeoX."""
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def distances(length: int, heads: int, like: Tensor) -> Tensor:
    """What ALiBi adds to the scores, [1, heads, length, length]: -slope * distance, -inf ahead."""
    slopes = torch.tensor(alibi_slopes(heads), device=like.device, dtype=like.dtype)
    place = torch.arange(length, device=like.device, dtype=like.dtype)
    ahead = place - place.unsqueeze(1)
    scores = slopes.view(-1, 1, 1) * ahead
    return scores.masked_fill(ahead > 0, -torch.inf).unsqueeze(0)


def alibi_slopes(heads: int) -> list[float]:
    """A slope for each head: 2 ** (-8 i / n) for n heads, a power of 2 (arXiv 2108.12409).

    For other numbers, as in the paper's code: those of the next lower power of 2, then every other
    one of the next higher.
    """
    lower = 2 ** int(math.log2(heads))
    slopes = [2 ** (-8 * (place + 1) / lower) for place in range(lower)]
    between = [2 ** (-8 * (place + 1) / (2 * lower)) for place in range(0, 2 * lower, 2)]
    return slopes + between[: heads - lower]


def _angles(length: int, width: int, like: Tensor) -> Tensor:
    """position * base ** (-2 i / width) for each pair of features i, [length, pairs]."""
    exact = torch.promote_types(like.dtype, torch.float32)
    pairs = torch.arange(0, width, 2, device=like.device, dtype=exact)
    places = torch.arange(length, device=like.device, dtype=exact)
    return places.unsqueeze(1) * _BASE ** (-pairs / width)
