"""Adafactor, as torch.optim.Adafactor: second moments of matrices from their rows' and columns'.

https://arxiv.org/abs/1804.04235. The step is relative to the root mean square of what it changes,
its rate is min(lr, 1 / sqrt(step)), and its own root mean square is at most `update_clip`. The
three matrices in a fused qkv projection are factored and clipped one by one, as unfused ones are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from selector.train.layout import Layout, Stack
from selector.train.optimizer.base import Optimizer
from selector.train.optimizer.groups import Group
from selector.train.optimizer.step import Step


class Adafactor(Optimizer):
    """The share of the newest squares in the second moment is step ** -beta2_power."""

    settings = ("beta2_power", "eps1", "eps2", "update_clip")
    buffers = ()

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
        super().__init__(layout, parameters, gradients, groups)
        self._stacks = self.stacks()

    def state_layouts(self) -> dict[str, Layout]:
        """Mean squares of each row and each column of a matrix, and of each value of a vector."""
        matrices = [item for item in self.layout.parameters if len(item.shape) == 2]
        vectors = [item for item in self.layout.parameters if len(item.shape) == 1]
        rows = [replace(item, shape=item.shape[:1]) for item in matrices]
        columns = [replace(item, shape=(item.stacked, item.shape[1])) for item in matrices]
        return {
            "rows": Layout(rows, ordered=True),
            "columns": Layout(columns, ordered=True),
            "second": Layout(vectors, ordered=True),
        }

    def update(self, step: Step) -> None:
        """See the base class."""
        values = self.values
        new = torch.where(step.active, step.count ** -values["beta2_power"], 0.0)
        cap = torch.where(step.active, step.count.to(new.dtype).rsqrt(), 0.0)
        rates = torch.minimum(step.rate, cap)
        slots = len(self.parameters)
        for stack in self._stacks:
            columns = slice(stack.start, stack.stop)
            shape = (slots, stack.count, *stack.shape)
            parameters, gradients = self.parameters[:, columns], self.gradients[:, columns]
            size = parameters.view(shape).flatten(2).square().mean(2).sqrt()  # [K, count]
            step.decay(parameters, gradients, stack.label)
            gradients = gradients.view(shape)
            least = step.column(values["eps1"], 1.0).view(slots, *[1] * (len(shape) - 1))
            update = self._second(stack, gradients, step.column(new, 0.0), least)
            update = update.clamp(min=least**2).rsqrt() * gradients
            length = update.flatten(2).square().mean(2).sqrt()
            excess = (length / step.column(values["update_clip"], 1.0)).clamp(min=1.0)
            size = torch.maximum(size, step.column(values["eps2"], 0.0))
            move = -size * step.column(rates[stack.label], 0.0) / excess
            parameters.view(shape).addcmul_(update, move.view(*move.shape, *[1] * len(stack.shape)))

    def _second(self, stack: Stack, gradients: Tensor, new: Tensor, least: Tensor) -> Tensor:
        """The second moment of a stack after this step, shaped as the gradients."""
        if len(stack.shape) == 1:
            second = self._state("second", stack, stack.shape)
            return second.lerp_(gradients.square(), new.unsqueeze(2))
        rows = self._state("rows", stack, stack.shape[:1])
        columns = self._state("columns", stack, stack.shape[1:])
        squares = gradients.square()
        rows.lerp_(squares.mean(-1), new.unsqueeze(2))
        columns.lerp_(squares.mean(-2), new.unsqueeze(2))
        # Divided before the product: that of two small numbers may be too small for fp32.
        share = rows / rows.mean(-1, keepdim=True).clamp(min=least.squeeze(-1))
        return share.unsqueeze(-1) * columns.unsqueeze(-2)

    def _state(self, kind: str, stack: Stack, shape: tuple[int, ...]) -> Tensor:
        start, size = self.layouts[kind].offsets[stack.names[0]], stack.count * shape[0]
        rows = self.state[kind]
        return rows[:, start : start + size].view(len(rows), stack.count, *shape)
