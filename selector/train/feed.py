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
from selector.config.ramp import Stretch, stretch_at
from selector.train.data.sample import SAMPLES

_AHEAD = 32  # steps prepared at once, ...
_MOST = 1 << 20  # ... unless that is more than this many tokens


class Feed:
    """Batches for the slots of a bank.

    Args:
        tokens: the part to train on, [n].
        batch: sizes, the same for all slots.
        width: number of slots.
        device: where the batches are wanted.
        tokens_in_run: length of every slot's run; needed where the batch grows.
    """

    def __init__(
        self,
        tokens: npt.NDArray[Any],
        batch: Batch,
        width: int,
        device: torch.device,
        tokens_in_run: int = 0,
    ) -> None:
        self._tokens, self._batch, self._width, self._device = tokens, batch, width, device
        self._length = tokens_in_run
        self._cut = SAMPLES[batch.windows]
        self._seeds: dict[int, int] = {}
        self._steps: dict[int, int] = {}
        self._ahead = max(1, min(_AHEAD, _MOST // (batch.tokens_per_step * width)))
        self._ready: list[Tensor] = []

    def enter(self, slot: int, seed: int, step: int = 0) -> None:
        """From now on `slot` gets the windows of `seed`, those of step `step` (from 0) first.

        Raises:
            ValueError: the batch grows, and another slot is at another step.
        """
        if self._batch.grows and set(self._steps.values()) - {step}:
            raise ValueError(f"slot {slot}: steps differ in size, and others are not at {step}")
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
        """The next few steps, all of one size: [steps, accumulation, K, micro_batch, context+1]."""
        batch, stretch = self._batch, self._stretch()
        ahead = min(self._ahead, self._left(stretch))
        sequences = stretch.accumulation * batch.micro_batch  # of one step
        shape = (ahead, stretch.accumulation, batch.micro_batch, stretch.context + 1)
        block = np.zeros((*shape[:2], self._width, *shape[2:]), dtype=np.int64)
        for slot, seed in self._seeds.items():
            first = stretch.sequences + (self._steps[slot] - stretch.step) * sequences
            indices = np.arange(first, first + ahead * sequences)
            cut = self._cut(self._tokens, seed, indices, batch.context)
            block[:, :, slot] = cut[:, : stretch.context + 1].reshape(shape)
        return torch.from_numpy(block).to(self._device)

    def _stretch(self) -> Stretch:
        """The equal steps that the next one belongs to; without growth, all there can be."""
        step = max(self._steps.values(), default=0)
        return stretch_at(self._batch, self._length, step)

    def _left(self, stretch: Stretch) -> int:
        """How many more steps of the stretch there are; at least one."""
        if not self._batch.grows:
            return self._ahead
        step = max(self._steps.values(), default=stretch.step)
        return max(1, stretch.step + stretch.steps - step)

    def _forget(self) -> None:
        """What is ready was made for other slots; `_steps` counts only what was handed out."""
        self._ready = []
