"""Batches hold every slot's own windows, in the order of its seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from selector.config.ramp import stretch_at, total_steps
from selector.config.schema import Data, RunConfig
from selector.train.data.corpus import Corpus
from selector.train.data.sample import disjoint_count, disjoint_windows, windows
from selector.train.feed import Feed


@pytest.mark.parametrize("ahead", [1, 3, 32])
def test_a_slot_reads_the_windows_of_its_seed_whatever_its_neighbours_do(
    configure: Callable[..., RunConfig],
    prepared: tuple[Data, Path],
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
) -> None:
    monkeypatch.setattr("selector.train.feed._AHEAD", ahead)
    batch = configure(batch={"micro_batch": 3, "accumulation": 2}).batch
    tokens = Corpus.open(*prepared).part("train")
    feed = Feed(tokens, batch, 4, torch.device("cpu"))
    feed.enter(2, seed=7)
    read = []
    for step in range(10):
        if step == 4:
            feed.enter(0, seed=8)
        if step == 8:
            feed.leave(0)
        part = feed.next()
        assert part.shape == (2, 4, 3, 17)
        assert part.dtype == torch.int64
        assert not part[:, 1].any()
        assert part[:, 0].any() == (4 <= step < 8)
        read.append(part[:, 2].reshape(-1, 17).numpy())
    assert np.array_equal(np.concatenate(read), windows(tokens, 7, np.arange(60), 16))


GROWING = {"micro_batch": 2, "accumulation": 3, "batch_warmup": 0.4, "context_warmup": 0.3}


@pytest.mark.parametrize("ahead", [1, 32])
def test_a_growing_batch_reads_the_same_sequences_in_the_same_order(
    configure: Callable[..., RunConfig],
    prepared: tuple[Data, Path],
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
) -> None:
    monkeypatch.setattr("selector.train.feed._AHEAD", ahead)
    batch = configure(batch=GROWING).batch
    tokens, length = Corpus.open(*prepared).part("train"), 3000
    feed = Feed(tokens, batch, 2, torch.device("cpu"), tokens_in_run=length)
    feed.enter(0, seed=7)
    feed.enter(1, seed=8)
    place, read, shapes = 0, 0, []
    for step in range(total_steps(batch, length)):
        part = feed.next()
        stretch = stretch_at(batch, length, step)
        assert part.shape == (stretch.accumulation, 2, 2, stretch.context + 1)
        for slot, seed in ((0, 7), (1, 8)):
            got = part[:, slot].reshape(-1, stretch.context + 1).numpy()
            whole = windows(tokens, seed, np.arange(place, place + len(got)), 16)
            assert np.array_equal(got, whole[:, : stretch.context + 1])
        place, read = place + len(got), read + got[:, 1:].size
        shapes.append((stretch.accumulation, stretch.context))
    assert 0 <= length - read < batch.tokens_per_step
    assert shapes[0] == (1, 8)
    assert shapes[-1] == (3, 16)
    with pytest.raises(ValueError, match="others are not at 1"):
        feed.enter(1, seed=8, step=1)


@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1000])
def test_disjoint_windows_are_read_once_a_pass_each_time_in_another_order(count: int) -> None:
    context = 4
    tokens = np.arange(count * context + 1 + 3, dtype=np.int64)  # three too few for another
    assert disjoint_count(len(tokens), context) == count
    passes = disjoint_windows(tokens, 5, np.arange(3 * count), context).reshape(3, count, -1)
    for one in passes:
        assert sorted(one[:, 0].tolist()) == list(range(0, count * context, context))
        assert (np.diff(one, axis=1) == 1).all()
    if count > 64:
        assert not np.array_equal(passes[0], passes[1])
        assert not np.array_equal(passes[0, :, 0], np.sort(passes[0, :, 0]))
        other = disjoint_windows(tokens, 6, np.arange(count), context)
        assert not np.array_equal(passes[0], other)
    middle = disjoint_windows(tokens, 5, np.arange(count, 2 * count), context)
    assert np.array_equal(middle, passes[1])  # any index costs the same


def test_shuffled_windows_have_no_favourite_place() -> None:
    """Over many passes each window comes first about equally often."""
    count, passes = 10, 4000
    first = disjoint_windows(np.arange(count * 2 + 1), 3, np.arange(passes) * count, 2)[:, 0] // 2
    often = np.bincount(first, minlength=count)
    assert abs(often - passes / count).max() < 5 * (passes / count) ** 0.5


def test_a_full_batch_sees_each_window_once(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Path]
) -> None:
    tokens = Corpus.open(*prepared).part("train")[: 12 * 16 + 1]
    batch = configure(batch={"micro_batch": 4, "accumulation": 3, "windows": "disjoint"}).batch
    feed = Feed(tokens, batch, 1, torch.device("cpu"))
    feed.enter(0, seed=7)
    for _ in range(3):
        read = feed.next()[:, 0, :, :-1].reshape(12, 16).numpy()
        assert sorted(map(tuple, read)) == sorted(map(tuple, tokens[:-1].reshape(12, 16)))
