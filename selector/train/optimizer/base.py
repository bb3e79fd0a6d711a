"""The seam of optimizers: one update rule for all slots of a bank, over flat rows of parameters.

Isolation: a rule is elementwise or works inside a slot; whatever differs between slots is a tensor
of shape [K]. An inactive slot holds zeros, its gradient is zero, and its coefficients are chosen
with torch.where, so that nothing in it ever changes.

Elementwise rules run over pieces of the rows that fit into a core's second-level cache: ten passes
over a piece there cost less than two over the whole rows in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from selector.train.layout import Layout

_PIECE = 32_768  # values of all slots together; five buffers of them are 640 KiB in fp32


@dataclass(frozen=True)
class Piece:
    """Equal pieces of the rows of parameters, gradients, state and scratch: [K, n] each."""

    parameters: Tensor
    gradients: Tensor
    state: tuple[Tensor, ...]
    scratch: Tensor
    decayed: bool
    """Whether the piece holds matrices, which get weight decay; vectors get none."""


class Optimizer(ABC):
    """One update rule for all slots.

    Args:
        layout: what the columns of the rows are.
        parameters: [K, N], changed in place by `step`.
        gradients: [K, N], read by `step`, which may overwrite them.
    """

    banked: ClassVar[bool] = True
    """Whether it trains several slots; what does not is given one only."""
    recompute: Callable[[], Tensor] | None = None
    """Of the bank: fills `gradients` anew, clipped, at the parameters as they are now, on the same
    windows and masks; the loss, [K]."""
    products: Callable[[Tensor], Tensor] | None = None
    """Of a bank of one slot: the loss's Hessian, without clipping, times vectors [n, N]."""
    settings: ClassVar[tuple[str, ...]]
    """Names of the values, besides lr and weight_decay, that the rule reads."""
    buffers: ClassVar[tuple[str, ...]]
    """Names of the state, which is [K, N] each."""

    def __init__(self, layout: Layout, parameters: Tensor, gradients: Tensor) -> None:
        slots, device = parameters.shape[0], parameters.device
        # Coefficients such as 1 - beta ** step lose half their digits in fp32; MPS has no fp64.
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.layout = layout
        self.parameters = parameters
        self.gradients = gradients
        self.values = {
            name: torch.zeros(slots, device=device, dtype=exact)
            for name in ("lr", "weight_decay", *self.settings)
        }
        self.state = {name: torch.zeros_like(parameters) for name in self.buffers}

    def expect(self, slot: int, seed: int, steps: int) -> None:  # noqa: B027 - few rules care
        """Called before `enter`: the seed of the run, and how many steps it will make."""

    def enter(self, slot: int, values: Mapping[str, Any]) -> None:
        """Take over a run's values into `slot`, with fresh state."""
        for name, tensor in self.values.items():
            tensor[slot] = float(values[name])
        for tensor in self.state.values():
            tensor[slot].zero_()

    def leave(self, slot: int) -> None:
        """Clear `slot`."""
        for tensor in (*self.values.values(), *self.state.values()):
            tensor[slot].zero_()

    def tensors(self, slot: int) -> dict[str, Tensor]:
        """The state of one slot as views by name: what a run needs, with its weights, to go on."""
        return {
            f"{kind}/{name}": view
            for kind, rows in self.state.items()
            for name, view in self.layout.views(rows[slot]).items()
        }

    def restore(self, slot: int, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` named for another run that stands where this one shall go on.

        Raises:
            ValueError: those are other tensors than this rule's.
        """
        targets = self.tensors(slot)
        given = {name: tuple(item.shape) for name, item in tensors.items()}
        expected = {name: tuple(item.shape) for name, item in targets.items()}
        if given != expected:
            raise ValueError(f"state: expected tensors {expected}, got {given}")
        for name, target in targets.items():
            target.copy_(tensors[name])

    def judged(self, slot: int) -> Tensor | None:
        """The row of weights to evaluate and to keep, [N], where it is not that of `parameters`."""
        return None

    @abstractmethod
    def step(self, factor: Tensor, count: Tensor, active: Tensor) -> None:
        """Update the parameters of the active slots.

        Args:
            factor: [K], the schedule's share of the peak learning rate.
            count: int64 [K], which step of its run this is for each slot, from 1.
            active: bool [K].
        """

    def rate(self, factor: Tensor, active: Tensor) -> Tensor:
        """The learning rate of each slot, [K]; 0 for inactive ones."""
        return torch.where(active, self.values["lr"] * factor, 0.0)

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """The columns from `start` to `stop`, cut where weight decay ends and to cache size."""
        slots, device = self.parameters.shape[0], self.parameters.device
        size = max(1, _PIECE // slots) if device.type == "cpu" else max(1, stop - start)
        edge = min(max(self.layout.decayed_stop, start), stop)
        found = []
        scratch = torch.empty(
            slots, min(size, stop - start), device=device, dtype=self.parameters.dtype
        )
        for first, last in ((start, edge), (edge, stop)):
            for left in range(first, last, size):
                columns = slice(left, min(left + size, last))
                found.append(
                    Piece(
                        parameters=self.parameters[:, columns],
                        gradients=self.gradients[:, columns],
                        state=tuple(buffer[:, columns] for buffer in self.state.values()),
                        scratch=scratch[:, : columns.stop - columns.start],
                        decayed=last <= self.layout.decayed_stop,
                    )
                )
        return found

    def column(self, coefficient: Tensor) -> Tensor:
        """A coefficient [K] as a column [K, 1] in the parameters' arithmetic."""
        return coefficient.to(self.parameters.dtype).unsqueeze(1)
