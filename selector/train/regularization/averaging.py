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

from dataclasses import replace

import torch
from torch import Tensor

from selector.config.regularization import Regularization
from selector.train.layout import Layout


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

    def weights(self, slot: int) -> dict[str, Tensor]:
        """The average of one slot, by name, as views."""
        return self._layout.views(self._rows[slot])

    def tensors(self, slot: int) -> dict[str, Tensor]:
        """What a run needs besides its weights to go on, as views by name."""
        return {f"average/{name}": view for name, view in self.weights(slot).items()}

    def made(self, slot: int, step: int) -> Tensor:
        """The shares by which the average moved in the first `step` steps, [step]."""
        return self._shares[slot, :step]

    def refuse_other(self, slot: int, made: Tensor) -> None:
        """Refuse an average that moved by the shares `made`, where the run in `slot` goes on.

        Raises:
            ValueError: the run's own would differ, and it does not begin anew in the next step.
        """
        step, ours = len(made), self._shares[slot].cpu()
        anew = bool((ours[step : step + 1] == 1.0).any())
        if not anew and not torch.equal(ours[:step], made):
            raise ValueError(f"average: its first {step} steps are averaged with other weights")


def shares(regularization: Regularization, steps: int) -> list[float]:
    """By which share of the difference the average moves after each step of a run, [steps]."""
    if regularization.ema:
        decay = 1.0 - 1.0 / _horizon(regularization.ema, steps)
        return [(1.0 - decay) / (1.0 - decay**step) for step in range(1, steps + 1)]
    start = steps - _horizon(regularization.swa, steps)
    return [1.0 / max(1, step - start) for step in range(1, steps + 1)]


def averaged_like(regularization: Regularization, steps: int, longer: int) -> Regularization:
    """Settings with which a run of `steps` steps averages like one of `longer` steps.

    The horizon of an EMA becomes the longer run's in steps. SWA stays: the longer one's has not
    begun where both part.
    """
    if not regularization.ema:
        return regularization
    return replace(regularization, ema=min(1.0, _horizon(regularization.ema, longer) / steps))


def unlike_from(regularization: Regularization, steps: int) -> int:
    """The first step from which an equal average makes a run of `steps` steps one of its own."""
    return steps - _horizon(regularization.swa, steps) if regularization.swa else steps


def _horizon(share: float, steps: int) -> int:
    """Steps that are averaged over: whole ones, at least one."""
    return max(1, round(share * steps))
