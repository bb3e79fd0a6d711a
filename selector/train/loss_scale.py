"""Loss scaling for fp16: gradients too small for half precision are multiplied up and back.

As torch.amp.GradScaler, with a scale of its own for every slot and without waiting for the device:
a step whose gradient is not finite is left out and halves the scale; many good steps in a row
double it. arXiv 1710.03740, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

# GradScaler's defaults.
_FIRST, _GROWTH, _BACKOFF, _GROW_AFTER = 2.0**16, 2.0, 0.5, 2000
#: fairseq's --min-loss-scale: below it, the gradient itself is too large, not its scale.
_SMALLEST = 1e-4


class LossScale:
    """The scales of K slots."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.value = torch.ones(width, device=device)
        """By what each slot's loss is multiplied, [K]; 1 in empty slots."""
        self.skipped = torch.zeros(width, device=device, dtype=torch.int64)
        """Steps that each run has left out, [K]."""
        self._good = torch.zeros(width, device=device, dtype=torch.int64)
        self._norm = torch.zeros(width, device=device)

    def enter(self, slot: int) -> None:
        """Start a run in `slot`."""
        self.leave(slot)
        self.value[slot] = _FIRST

    def leave(self, slot: int) -> None:
        """Clear `slot`."""
        self.value[slot] = 1.0
        for tensor in (self.skipped, self._good, self._norm):
            tensor[slot] = 0

    def tensors(self, slot: int) -> dict[str, Tensor]:
        """What a run needs to go on, as views by name."""
        return {
            "loss_scale/value": self.value[slot],
            "loss_scale/skipped": self.skipped[slot],
            "loss_scale/good": self._good[slot],
            "loss_scale/norm": self._norm[slot],
        }

    def restore(self, slot: int, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` named for another run where this one goes on.

        Raises:
            ValueError: those are other tensors.
        """
        targets = self.tensors(slot)
        if targets.keys() != tensors.keys():
            raise ValueError(f"loss scale: expected {sorted(targets)}, got {sorted(tensors)}")
        for name, target in targets.items():
            target.copy_(tensors[name])

    @staticmethod
    def clear(gradients: Tensor, norm: Tensor) -> None:
        """Make zero the rows of `gradients` [K, N] whose `norm` [K] is not finite."""
        gradients.masked_fill_(~norm.isfinite().unsqueeze(1), 0.0)

    def judge(self, gradients: Tensor, norm: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """Which slots make this step, bool [K], and the norms to report, [K].

        A gradient that is not finite becomes zero, and its slot reports its last finite norm; inf
        once its scale is below the smallest, so that the run ends as diverged.

        Args:
            gradients: [K, N], already divided by the scales.
            norm: [K], of the gradients.
            active: bool [K].
        """
        finite = norm.isfinite()
        self.clear(gradients, norm)
        self._norm.copy_(torch.where(finite, norm, self._norm))
        self.skipped += active & ~finite
        self._good.copy_(torch.where(finite, self._good + 1, 0))
        grows = self._good >= _GROW_AFTER
        self._good.masked_fill_(grows, 0)
        larger = torch.where(grows & (self.value * _GROWTH).isfinite(), _GROWTH, 1.0)
        self.value.mul_(torch.where(active, torch.where(finite, larger, _BACKOFF), 1.0))
        return active & finite, torch.where(self.value < _SMALLEST, torch.inf, self._norm)
