"""One optimizer step: the rates of each slot, and the weight decay that every rule begins with.

Weight decay w goes by the slot's `decay_rule`, r being its learning rate:

- coupled: w * parameters is added to the gradient (L2, as in torch.optim.SGD and Adam).
- decoupled: parameters shrink by r * w (arXiv 1711.05101, as in torch.optim.AdamW).
- independent: parameters shrink by w times the schedule's factor, whatever the peak rate is.

What the width multiplies a rate with is not in the decay (see `groups`): under the coupled rule w
is divided by it, so that r * w is what it is by the decoupled one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step needs to know; a treatment is what some columns have in common."""

    rate: Tensor
    """Learning rates [treatments, K]; 0 for inactive slots."""
    factor: Tensor
    """The schedule's share of the peak rate, [K]."""
    count: Tensor
    """The step's number, int64 [K], from 1."""
    active: Tensor
    """Bool [K]."""
    dtype: torch.dtype
    """Of the parameters."""
    shrinks: Sequence[Tensor | None]
    """By treatment: what parameters are multiplied with, [K, 1]; None: all slots stay as is."""
    pulls: Sequence[Tensor | None]
    """By treatment: the parameters' share in the gradient, [K, 1]; None: 0 in all slots."""

    def decay(self, parameters: Tensor, gradients: Tensor, treatment: int) -> None:
        """Apply weight decay to some columns, [K, n] each."""
        shrink, pull = self.shrinks[treatment], self.pulls[treatment]
        if pull is not None:
            gradients.addcmul_(parameters, pull)
        if shrink is not None:
            parameters.mul_(shrink)

    def column(self, coefficient: Tensor, neutral: float) -> Tensor:
        """A coefficient [K] as a column [K, 1]; `neutral` for inactive slots."""
        return torch.where(self.active, coefficient, neutral).to(self.dtype).unsqueeze(1)

    def columns(self, coefficients: Tensor, neutral: float = 0.0) -> tuple[Tensor, ...]:
        """Coefficients [treatments, K] as columns [K, 1]; `neutral` for inactive slots."""
        chosen = torch.where(self.active, coefficients, neutral)
        return chosen.to(self.dtype).unsqueeze(2).unbind(0)


class WeightDecay:
    """The decay rules of all slots."""

    def __init__(self, slots: int, device: torch.device) -> None:
        self._rules = ["decoupled"] * slots  # known to the host, so that no idle pass is made
        self._coupled = torch.zeros(slots, device=device, dtype=torch.bool)
        self._independent = torch.zeros_like(self._coupled)

    def set(self, slot: int, rule: str) -> None:
        """Use `rule` in `slot` from now on."""
        self._rules[slot] = rule
        self._coupled[slot] = rule == "coupled"
        self._independent[slot] = rule == "independent"

    def step(
        self,
        *,
        lr: Tensor,
        weight_decay: Tensor,
        factor: Tensor,
        count: Tensor,
        active: Tensor,
        rates: Tensor,
        decays: Tensor,
        decayed: Sequence[bool],
        dtype: torch.dtype,
    ) -> Step:
        """The step at the schedule's `factor` [K] of the peak rates `lr` [K].

        Args:
            lr: [K].
            weight_decay: [K].
            factor: [K].
            count: int64 [K].
            active: bool [K].
            rates: [treatments, K], multipliers of the rate.
            decays: [treatments, K], multipliers of the decoupled decay.
            decayed: whether a treatment has weight decay at all.
            dtype: of the parameters.
        """
        rate = torch.where(active, lr * factor, 0.0)
        step = Step(
            rate=torch.where(active, rate * rates, 0.0),
            factor=factor,
            count=count,
            active=active,
            dtype=dtype,
            shrinks=[None] * len(decayed),
            pulls=[None] * len(decayed),
        )
        shrinks = pulls = step.shrinks
        if any(rule != "coupled" for rule in self._rules):
            lost = torch.where(
                self._independent, factor * weight_decay, rate * decays * weight_decay
            )
            shrinks = step.columns(torch.where(self._coupled, 1.0, 1 - lost), 1.0)
        if any(rule == "coupled" for rule in self._rules):
            pulls = step.columns(torch.where(self._coupled, weight_decay * (decays / rates), 0.0))
        return replace(
            step,
            shrinks=[item if has else None for item, has in zip(shrinks, decayed, strict=True)],
            pulls=[item if has else None for item, has in zip(pulls, decayed, strict=True)],
        )
