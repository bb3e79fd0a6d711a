"""Which windows of a part are read: random ones to train on, fixed ones to evaluate on.

Training windows begin anywhere, or stand side by side and are shuffled anew in every pass. Either
way one is a pure function of (seed, index): neither the batch size, nor the neighbours in a bank,
nor what was drawn before changes it. So runs with different batch sizes see the same windows in
the same order, and a run that goes on at step n needs no generator's state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.errors import DataError

_MASK = (1 << 64) - 1
# SplitMix64, the version of Sebastiano Vigna, https://prng.di.unimi.it/splitmix64.c, after Steele,
# Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: the step between
# states (2**64 / golden ratio, odd) and the two multipliers of the finalizer.
_STEP = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_SHIFTS = tuple(np.array([bits], dtype=np.uint64) for bits in (30, 27, 31))
_FACTORS = tuple(np.array([factor], dtype=np.uint64) for factor in (_STEP, _FIRST, _SECOND))

Tokens = npt.NDArray[Any]
Windows = npt.NDArray[np.int64]


def hashed(seed: int, indices: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """64 random bits for each index [n]: outputs `indices` of SplitMix64 started at `seed`.

    The seed is mixed first: streams of neighbouring seeds would otherwise be shifted copies where
    seeds differ by a multiple of the step. Counter-based: any index costs the same.
    """
    step, first, second = _FACTORS
    # arrays of one element, not scalars: numpy lets arrays of uint64 wrap around without a warning
    state = np.array([_mixed(seed & _MASK)], dtype=np.uint64)
    bits = np.asarray(indices).astype(np.uint64).reshape(-1) * step + (state + step)
    bits = (bits ^ (bits >> _SHIFTS[0])) * first
    bits = (bits ^ (bits >> _SHIFTS[1])) * second
    mixed: npt.NDArray[np.uint64] = bits ^ (bits >> _SHIFTS[2])
    return mixed


def _mixed(state: int) -> int:
    """SplitMix64's finalizer on Python integers: a bijection of 64 bits."""
    state = (state ^ (state >> 30)) * _FIRST & _MASK
    state = (state ^ (state >> 27)) * _SECOND & _MASK
    return state ^ (state >> 31)


def windows(tokens: Tokens, seed: int, indices: npt.ArrayLike, context: int) -> Windows:
    """The windows number `indices` [n] of the stream `seed`, as int64 [n, context + 1].

    Each starts anywhere in `tokens` with equal probability (the remainder of 64 bits: a part of a
    billion tokens is off by less than 1e-10). The first `context` tokens of a row are the input,
    the last `context` the targets.

    Raises:
        DataError: the part is shorter than one window.
    """
    starts = hashed(seed, indices) % np.uint64(_starts(tokens, context))
    return _cut(tokens, starts.astype(np.int64), context)


def disjoint_windows(tokens: Tokens, seed: int, indices: npt.ArrayLike, context: int) -> Windows:
    """The windows number `indices` [n] of passes over windows that stand side by side.

    As int64 [n, context + 1]. A part has W = `disjoint_count` of them. Numbers 0 to W - 1 are all
    of them in an order that follows from the seed, the next W in another one, and so on: a step of
    W sequences is the full batch.

    Raises:
        DataError: the part is shorter than one window.
    """
    count = disjoint_count(_starts(tokens, context) + context, context)
    passes, places = np.divmod(np.asarray(indices, dtype=np.int64).reshape(-1), count)
    return _cut(tokens, _shuffled(seed, passes, places, count) * context, context)


#: How the windows to train on are chosen, by `batch.windows`.
SAMPLES: dict[str, Callable[[Tokens, int, npt.ArrayLike, int], Windows]] = {
    "anywhere": windows,
    "disjoint": disjoint_windows,
}


def _shuffled(
    seed: int, passes: npt.NDArray[np.int64], places: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int64]:
    """Where each of `places` [n] below `count` comes in its pass: a permutation for each pass.

    A Feistel network of four rounds on the smallest 2 * half bits that hold `count`; numbers beyond
    `count` go through it again, which keeps it a permutation (Black and Rogaway, "Ciphers with
    arbitrary finite domains", CT-RSA 2002). Nothing is stored, however long the part.
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    found, outside = places.copy(), np.ones(len(places), dtype=bool)
    while outside.any():
        left, right = found[outside] >> half, found[outside] & mask
        for turn in range(4):
            keys = (passes[outside] * 4 + turn << half) + right
            left, right = right, left ^ (hashed(seed, keys).astype(np.int64) & mask)
        found[outside] = (left << half) + right
        outside = found >= count
    return found


def evaluation_windows(tokens: Tokens, context: int, most_tokens: int) -> Windows:
    """Disjoint windows as int64 [n, context + 1] with n * context <= most_tokens, but n >= 1.

    They stand side by side from the part's start, so that each token is a target at most once and
    all are but the first and fewer than `context` at the end; where that is more than
    `most_tokens`, some of these windows are taken, evenly spread over the part.

    Raises:
        DataError: the part is shorter than one window.
    """
    there = disjoint_count(_starts(tokens, context) + context, context)
    taken = max(1, min(there, most_tokens // context))
    return _cut(tokens, np.arange(taken) * there // taken * context, context)


def disjoint_count(tokens: int, context: int) -> int:
    """How many windows of `context` tokens and their targets stand side by side in `tokens`."""
    return (tokens - 1) // context


def _starts(tokens: Tokens, context: int) -> int:
    """In how many places a window can start."""
    if len(tokens) <= context:
        raise DataError(
            f"batch.context: {context} tokens and their targets do not fit into a part of"
            f" {len(tokens)}; expected at most {len(tokens) - 1}, or a longer text"
        )
    return len(tokens) - context


def _cut(tokens: Tokens, starts: npt.NDArray[np.int64], context: int) -> Windows:
    # a view as plain array: indexing a memmap costs three times as much
    plain = tokens.view(np.ndarray)
    cut: Windows = plain[starts[:, None] + np.arange(context + 1)].astype(np.int64)
    return cut
