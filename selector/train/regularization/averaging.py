"""Averages of the weights over the steps of a run: exponential (EMA), or equal (SWA).

Both are one running average: after each step it moves towards the weights by a share of its own.
EMA with the decay d: (1 - d) / (1 - d ** t) after step t, which is the usual average from zero
divided by the sum of its weights, so that its start is not biased towards the initial weights.
SWA over the last n steps (https://arxiv.org/abs/1803.05407, of every step where the paper takes
every epoch): 1 until they begin, so that until then it is the weights themselves, then 1 / 1, 1 / 2
and so on.

The horizon, 1 / (1 - d) steps of an EMA, is a share of the run (5 to 10 % is usual) and not a
decay: a decay of .999 averages over a tenth of a run of 10,000 steps and over the whole of one of
1,000, so that rungs, budgets and batch sizes would all change what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from selector.config.regularization import Regularization
from selector.train.layout import Layout
from selector.train.regularization.horizon import shares

_SHARES = "weight_average_shares"


class Averaging:
    """The averages of all slots.

    Args:
        layout: what the columns of the rows are.
        parameters: [K, N], the weights that are averaged.
    """

    def __init__(self, layout: Layout, parameters: Tensor) -> None:
        slots, device = parameters.shape[0], parameters.device
        self._layout, self._parameters = layout, parameters
        self._rows = torch.zeros_like(parameters)
        self._shares = torch.zeros(slots, 1, device=device, dtype=parameters.dtype)
        """How far the average moves after each step, [K, longest run]."""

    def enter(self, slot: int, regularization: Regularization, steps: int) -> None:
        """Begin the average of the run that has just entered `slot`, at its initial weights."""
        if steps > self._shares.shape[1]:
            missing = steps - self._shares.shape[1]
            self._shares = torch.nn.functional.pad(self._shares, (0, missing))
        found = torch.tensor(shares(regularization, steps), dtype=torch.float64)
        self._shares[slot, :steps] = found.to(self._shares)
        self._rows[slot] = self._parameters[slot]

    def leave(self, slot: int) -> None:
        """Clear `slot`."""
        self._rows[slot].zero_()
        self._shares[slot].zero_()

    def update(self, count: Tensor, active: Tensor) -> None:
        """Take in the weights after step `count`, int64 [K] from 1; inactive slots stay as is."""
        share = self._shares.gather(1, (count - 1).clamp_(min=0).unsqueeze(1))
        self._rows.lerp_(self._parameters, share * active.unsqueeze(1))

    def row(self, slot: int) -> Tensor:
        """The average of one slot, [N], as a view."""
        return self._rows[slot]

    def tensors(self, slot: int, step: int) -> dict[str, Tensor]:
        """What a run that has made `step` steps needs to go on, by name, as views."""
        views = self._layout.views(self._rows[slot])
        average = {f"weight_average/{name}": view for name, view in views.items()}
        return {**average, _SHARES: self._shares[slot, :step]}

    def restore(self, slot: int, tensors: Mapping[str, Tensor]) -> None:
        """Take over the average that `tensors` named for another run where this one goes on.

        Raises:
            ValueError: there is none, or this run's own would have moved otherwise until there and
                does not begin anew in the next step.
        """
        if _SHARES not in tensors:
            raise ValueError("average: expected one of the weights, got none")
        made, ours = tensors[_SHARES], self._shares[slot].cpu()
        step = len(made)
        anew = bool((ours[step : step + 1] == 1.0).any())
        if not anew and not torch.equal(ours[:step], made):
            raise ValueError(f"average: its first {step} steps are averaged with other weights")
        for name, view in self._layout.views(self._rows[slot]).items():
            view.copy_(tensors[f"weight_average/{name}"])
