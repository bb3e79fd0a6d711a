"""The seam of optimizers: one update rule for all slots of a bank, over flat rows of parameters.

Isolation: a rule is elementwise or works inside a slot; whatever differs between slots is a tensor
of shape [K]. An inactive slot holds zeros, its gradient is zero, and its coefficients are chosen
with torch.where, so that nothing in it ever changes.

Elementwise rules run over pieces of the rows that fit into a core's second-level cache: ten passes
over a piece there cost less than two over the whole rows in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from selector.config.limits import WORDS
from selector.train.layout import Layout, Stack
from selector.train.optimizer.groups import Group
from selector.train.optimizer.step import Step, WeightDecay

_PIECE = 32_768  # values of all slots together; five buffers of them are 640 KiB in fp32


@dataclass(frozen=True)
class Piece:
    """Equal pieces of the rows of parameters, gradients, state and scratch: [K, n] each."""

    parameters: Tensor
    gradients: Tensor
    state: tuple[Tensor, ...]
    scratch: Tensor
    treatment: int
    """Which of the optimizer's treatments it gets."""


class Optimizer(ABC):
    """One update rule for all slots.

    Groups whose multipliers agree share a treatment: there is one for matrices and one for vectors
    where neither the width nor the layer changes a rate.

    Args:
        layout: what the columns of the rows are.
        parameters: [K, N], changed in place by `step`.
        gradients: [K, N], read by `step`, which may overwrite them.
        groups: of any run that may enter; the others' differ in their multipliers at most.
    """

    banked: ClassVar[bool] = True
    """Whether it trains several slots; what does not is given one only."""
    recompute: Callable[[], Tensor] | None = None
    """Of the bank: fills `gradients` anew, clipped, at the parameters as they are now, on the same
    windows and masks; the loss, [K]."""
    products: Callable[[Tensor], Tensor] | None = None
    """Of a bank of one slot: the loss's Hessian, without clipping, times vectors [n, N]."""
    settings: ClassVar[tuple[str, ...]]
    """Names of the values, besides lr and those of weight decay, that the rule reads."""
    buffers: ClassVar[tuple[str, ...]]
    """Names of the state that there is for each parameter, [K, N] each."""

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
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
        kinds = [(group.rule, group.block, group.rate, group.decay) for group in groups]
        unique = list(dict.fromkeys(kinds))
        self._treatment = [unique.index(kind) for kind in kinds]
        """Group -> treatment."""
        self._groups = groups
        self.rates = torch.zeros(len(unique), slots, device=device, dtype=exact)
        self.decays = torch.zeros_like(self.rates)
        self._decayed = [decay > 0 for *_, decay in unique]
        self._decay = WeightDecay(slots, device)
        self.layouts = self.state_layouts()
        self.state = {
            name: torch.zeros(slots, own.size, device=device, dtype=parameters.dtype)
            for name, own in self.layouts.items()
        }

    def state_layouts(self) -> dict[str, Layout]:
        """The names of the state, and what the columns of its rows are."""
        return dict.fromkeys(self.buffers, self.layout)

    def expect(self, slot: int, seed: int, steps: int) -> None:  # noqa: B027 - few rules care
        """Called before `enter`: the seed of the run, and how many steps it will make."""

    def enter(self, slot: int, values: Mapping[str, Any], groups: Sequence[Group]) -> None:
        """Take over a run's values and multipliers into `slot`, with fresh state."""
        for name, tensor in self.values.items():
            tensor[slot] = _number(name, values[name])
        for treatment, group in zip(self._treatment, groups, strict=True):
            self.rates[treatment, slot] = group.rate
            self.decays[treatment, slot] = group.decay
        # What has no such value decays by a library's rule.
        self._decay.set(slot, values.get("decay_rule", "decoupled"))
        for tensor in self.state.values():
            tensor[slot].zero_()

    def leave(self, slot: int) -> None:
        """Clear `slot`."""
        self._decay.set(slot, "decoupled")
        for tensor in (*self.values.values(), *self.state.values()):
            tensor[slot].zero_()

    def tensors(self, slot: int) -> dict[str, Tensor]:
        """The state of one slot as views by name: what a run needs, with its weights, to go on."""
        return {
            f"{kind}/{name}": view
            for kind, rows in self.state.items()
            for name, view in self.layouts[kind].views(rows[slot]).items()
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

    def step(self, factor: Tensor, count: Tensor, active: Tensor) -> None:
        """Update the parameters of the active slots; of the others nothing changes, state neither.

        A slot may be inactive for one step only (fp16's scaling leaves steps out), with whatever
        state it has, and a gradient of zero.

        Args:
            factor: [K], the schedule's share of the peak learning rate.
            count: int64 [K], which update of its run this is for each slot, from 1.
            active: bool [K].
        """
        self.update(
            self._decay.step(
                lr=self.values["lr"],
                weight_decay=self.values["weight_decay"],
                factor=factor,
                count=count,
                active=active,
                rates=self.rates,
                decays=self.decays,
                decayed=self._decayed,
                dtype=self.parameters.dtype,
            )
        )

    @abstractmethod
    def update(self, step: Step) -> None:
        """Update the parameters by the rule, each of its columns after `step.decay` of them."""

    def pieces(self, rule: str = "") -> list[Piece]:
        """The columns that get `rule`, or all, cut where treatments change and to cache size."""
        slots, device = self.parameters.shape[0], self.parameters.device
        spans = list(self._spans(rule))
        longest = max((stop - start for start, stop, _ in spans), default=0)
        size = max(1, _PIECE // slots) if device.type == "cpu" else max(1, longest)
        scratch = torch.empty(slots, min(size, longest), device=device, dtype=self.parameters.dtype)
        return [
            Piece(
                parameters=self.parameters[:, left : min(left + size, stop)],
                gradients=self.gradients[:, left : min(left + size, stop)],
                state=tuple(
                    self.state[name][:, left : min(left + size, stop)] for name in self.buffers
                ),
                scratch=scratch[:, : min(size, stop - left)],
                treatment=treatment,
            )
            for start, stop, treatment in spans
            for left in range(start, stop, size)
        ]

    def stacks(self, rule: str = "") -> list[Stack]:
        """Neighbours of one shape and treatment (their label) that get `rule`, or all."""
        return self.layout.stacks(self._labels(rule))

    def _labels(self, rule: str) -> dict[str, int]:
        return {
            parameter.name: treatment
            for treatment, group in zip(self._treatment, self._groups, strict=True)
            for parameter in group.parameters
            if not rule or group.rule == rule
        }

    def _spans(self, rule: str) -> Iterable[tuple[int, int, int]]:
        """(start, stop, treatment) of neighbouring columns, the longest there are."""
        found: list[tuple[int, int, int]] = []
        labels = self._labels(rule)
        for parameter in self.layout.parameters:
            if parameter.name not in labels:
                continue
            start, treatment = self.layout.offsets[parameter.name], labels[parameter.name]
            stop = start + parameter.size
            if found and found[-1][1:] == (start, treatment):
                start = found.pop()[0]
            found.append((start, stop, treatment))
        return found


class Elementwise(Optimizer):
    """A rule that treats all columns alike, value by value."""

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
        super().__init__(layout, parameters, gradients, groups)
        self._pieces = self.pieces()


def _number(name: str, value: Any) -> float:
    """A value as a number; one of a few words is its place among them."""
    return float(WORDS[name].index(value) if isinstance(value, str) else value)
