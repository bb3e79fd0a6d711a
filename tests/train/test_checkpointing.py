"""Activations computed again: the same gradients, less memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.compute import Compute
from selector.config.schema import Data, RunConfig
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed

CPU = torch.device("cpu")
Configure = Callable[..., RunConfig]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "float8"])
@pytest.mark.parametrize("width", [1, 2])
def test_gradients_are_the_same_bits(
    configure: Configure, prepared: tuple[Data, Path], width: int, precision: Any
) -> None:
    rows = []
    corpus = Corpus.open(*prepared)
    for again in (False, True):
        compute = Compute(device="cpu", precision=precision, activation_checkpointing=again)
        config = replace(configure(regularization={"dropout": 0.3}), compute=compute)
        bank, feed = Bank(config, width, CPU), Feed(corpus.part("train"), config.batch, width, CPU)
        for slot in range(width):
            bank.enter(slot, config, seed=slot, steps=4)
            feed.enter(slot, slot)
        kept = _saved_bytes(bank, feed)
        rows.append((bank.gradients, kept))
    assert torch.equal(rows[0][0], rows[1][0])
    assert rows[1][1] < 0.6 * rows[0][1]


def _saved_bytes(bank: Bank, feed: Feed) -> int:
    """Bytes that the graph of one pass keeps for its backward pass, weights left out."""
    sizes: dict[int, int] = {}
    own = bank.parameters.untyped_storage().data_ptr()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() != own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        bank.compute_gradients(feed.next())
    return sum(sizes.values())
