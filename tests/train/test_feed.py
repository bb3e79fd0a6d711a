"""Batches hold every slot's own windows, in the order of its seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.train.data.corpus import Corpus
from selector.train.data.sample import windows
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
