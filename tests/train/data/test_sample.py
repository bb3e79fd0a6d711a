"""Windows: pure functions of (seed, index), uniform over the part; evaluation covers the part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.errors import DataError
from selector.train.data.sample import evaluation_windows, hashed, windows

TOKENS = (np.arange(10_000) % 251).astype(np.uint8)
POSITIONS = np.arange(10_000)  # tokens that tell where they stood


def splitmix64(state: int, count: int) -> list[int]:
    """Vigna's splitmix64.c, on Python integers."""
    mask, outputs = (1 << 64) - 1, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        outputs.append(z ^ (z >> 31))
    return outputs


def finalized(z: int) -> int:
    """The output of splitmix64.c whose state, after its step, is `z`."""
    return splitmix64((z - 0x9E3779B97F4A7C15) & ((1 << 64) - 1), 1)[0]


def test_reference_implementation_is_the_published_one() -> None:
    # the first outputs from state 1234567, as published in Rosetta Code's "Splitmix64"
    assert splitmix64(1234567, 3) == [
        6457827717110365317, 3203168211198807973, 9817491932198370423,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 42, 2**63, 2**64 - 1])
def test_hash_is_splitmix64_from_the_mixed_seed(seed: int) -> None:
    assert hashed(seed, np.arange(100)).tolist() == splitmix64(finalized(seed), 100)


@settings(deadline=None, derandomize=True)
@given(st.integers(), st.lists(st.integers(0, 2**63 - 1), max_size=9), st.integers(1, 9999))
def test_a_window_depends_on_seed_and_index_alone(
    seed: int, indices: list[int], context: int
) -> None:
    together = windows(TOKENS, seed, np.array(indices, dtype=np.int64), context)
    assert together.shape == (len(indices), context + 1)
    assert together.dtype == np.int64
    assert together.flags.c_contiguous
    for row, index in zip(together, indices, strict=True):
        assert (windows(TOKENS, seed, np.array([index]), context)[0] == row).all()


def test_a_window_is_a_contiguous_piece() -> None:
    drawn = windows(POSITIONS, 3, np.arange(500), 32)
    assert (np.diff(drawn, axis=1) == 1).all()
    assert (windows(POSITIONS, 3, np.arange(500), 32) == drawn).all()
    assert not (windows(POSITIONS, 4, np.arange(500), 32) == drawn).all(axis=1).any()


def test_batches_of_any_size_see_the_same_order() -> None:
    in_fours = [windows(TOKENS, 7, np.arange(at, at + 4), 16) for at in range(0, 24, 4)]
    in_sixes = [windows(TOKENS, 7, np.arange(at, at + 6), 16) for at in range(0, 24, 6)]
    assert (np.concatenate(in_fours) == np.concatenate(in_sixes)).all()


def test_a_memory_map_gives_what_an_array_gives(tmp_path: Path) -> None:
    TOKENS.tofile(tmp_path / "tokens.bin")
    stored = np.memmap(tmp_path / "tokens.bin", dtype=np.uint8, mode="r")
    drawn = windows(stored, 0, np.arange(9), 8)
    assert type(drawn) is np.ndarray
    assert (drawn == windows(TOKENS, 0, np.arange(9), 8)).all()


@pytest.mark.parametrize("seed", range(3))
def test_starts_are_uniform(seed: int) -> None:
    context, count = 24, 200_000
    starts = windows(POSITIONS[:1024], seed, np.arange(count), context)[:, 0]
    places = 1024 - context
    assert (starts.min(), starts.max()) == (0, places - 1)
    expected = count / places
    chi_square = ((np.bincount(starts, minlength=places) - expected) ** 2 / expected).sum()
    # chi-square with places - 1 degrees of freedom; four standard deviations
    assert abs(chi_square - (places - 1)) < 4 * np.sqrt(2 * (places - 1))
    # neighbouring indices and neighbouring seeds are not correlated
    other = windows(POSITIONS[:1024], seed + 1, np.arange(count), context)[:, 0]
    for left, right in [(starts[1:], starts[:-1]), (starts, other)]:
        assert abs(np.corrcoef(left, right)[0, 1]) < 4 / np.sqrt(count)


@settings(deadline=None, derandomize=True)
@given(st.integers(2, 3000), st.integers(1, 200), st.integers(1, 5000))
def test_evaluation_windows_are_disjoint_and_cover(
    length: int, context: int, most_tokens: int
) -> None:
    tokens = POSITIONS[:length]
    if length <= context:
        with pytest.raises(DataError):
            evaluation_windows(tokens, context, most_tokens)
        return
    cut = evaluation_windows(tokens, context, most_tokens)
    assert cut.dtype == np.int64
    assert cut.shape[1] == context + 1
    assert cut.flags.c_contiguous
    assert len(cut) == 1 or cut[:, 1:].size <= most_tokens
    targets = cut[:, 1:].ravel()
    assert (np.diff(targets) > 0).all()  # no token is judged twice
    if length - 1 <= most_tokens and len(cut) * context <= most_tokens:
        assert (targets == 1 + np.arange(len(targets))).all()
        assert len(targets) > length - 1 - context
    if len(cut) > 1:  # spread over the whole part, not only its beginning
        gaps = np.diff(cut[:, 0])
        assert gaps.max() - gaps.min() <= context
        assert length - cut[-1, -1] <= gaps.max() + 2 * context


def test_evaluation_takes_at_least_one_window() -> None:
    assert evaluation_windows(TOKENS, 100, 10).shape == (1, 101)


def test_a_part_shorter_than_a_window_says_so() -> None:
    expected = (
        r"batch\.context: 64 tokens and their targets do not fit into a part of 64;"
        " expected at most 63"
    )
    with pytest.raises(DataError, match=expected):
        windows(TOKENS[:64], 0, np.arange(2), 64)
