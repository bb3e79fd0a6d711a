"""The batches of a bank: every slot's own windows, in the order of its own seed.

Windows are cut for several steps at once, which costs little more than for one, and reach the
device in one copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selector.config.batch import Batch
from selector.train.data.sample import windows

_AHEAD = 32  # steps prepared at once, ...
_MOST = 1 << 20  # ... unless that is more than this many tokens


class Feed:
    """Batches for the slots of a bank.

    Args:
        tokens: the part to train on, [n].
        batch: sizes, the same for all slots.
        width: number of slots.
        device: where the batches are wanted.
    """

    def __init__(
        self, tokens: npt.NDArray[Any], batch: Batch, width: int, device: torch.device
    ) -> None:
        self._tokens, self._batch, self._width, self._device = tokens, batch, width, device
        self._seeds: dict[int, int] = {}
        self._steps: dict[int, int] = {}
        self._ahead = max(1, min(_AHEAD, _MOST // (batch.tokens_per_step * width)))
        self._ready: list[Tensor] = []

    def enter(self, slot: int, seed: int, step: int = 0) -> None:
        """From now on `slot` gets the windows of `seed`, those of step `step` (from 0) first."""
        self._forget()
        self._seeds[slot], self._steps[slot] = seed, step

    def leave(self, slot: int) -> None:
        """From now on `slot` gets zeros."""
        self._forget()
        del self._seeds[slot], self._steps[slot]

    def next(self) -> Tensor:
        """The next step's windows, int64 [accumulation, K, micro_batch, context + 1]."""
        if not self._ready:
            self._ready = list(self._prepare().flip(0))
        for slot in self._steps:
            self._steps[slot] += 1
        return self._ready.pop()

    def _prepare(self) -> Tensor:
        batch = self._batch
        sequences = batch.accumulation * batch.micro_batch  # of one step
        shape = (self._ahead, batch.accumulation, batch.micro_batch, batch.context + 1)
        block = np.zeros((*shape[:2], self._width, *shape[2:]), dtype=np.int64)
        for slot, seed in self._seeds.items():
            first = self._steps[slot] * sequences
            indices = np.arange(first, first + self._ahead * sequences)
            block[:, :, slot] = windows(self._tokens, seed, indices, batch.context).reshape(shape)
        return torch.from_numpy(block).to(self._device)

    def _forget(self) -> None:
        """What is ready was made for other slots; `_steps` counts only what was handed out."""
        self._ready = []
