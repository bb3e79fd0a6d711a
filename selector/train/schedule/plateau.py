"""`reduce_on_plateau`: the rate is cut when the validation loss has stopped falling.

The one schedule with a state. It follows from the losses seen so far, so that two runs that see
the same losses have the same rates. Same rule as torch's ReduceLROnPlateau with mode min, a
relative threshold and no cooldown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class Plateau:
    """The rate of one run, as a share of what it would be without any cut.

    Args:
        values: `gamma`, what is left of the rate at each cut; `patience`, in evaluations;
            `threshold`, the share of the best loss by which progress is below it; `floor`, the
            share of the peak below which nothing is cut.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._best = math.inf
        self._without_progress = 0
        self.share = 1.0
        """What all cuts so far have left."""

    def see(self, loss: float) -> float:
        """Take the loss of another evaluation; the factor for all rates after it, 1: no cut."""
        if loss < self._best * (1.0 - float(self._values["threshold"])):
            self._best, self._without_progress = loss, 0
            return 1.0
        self._without_progress += 1
        if self._without_progress <= self._values["patience"]:
            return 1.0
        self._without_progress = 0
        before = self.share
        self.share = min(before, max(before * float(self._values["gamma"]), self._values["floor"]))
        return self.share / before
