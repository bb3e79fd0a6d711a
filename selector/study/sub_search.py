"""One independent search inside an arm: what it has asked, and what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field

from selector.study.study import Arm
from selector.track.run import Told, Trial


@dataclass
class SubSearch:
    """One independent search inside an arm."""

    arm: Arm
    number: int
    total: int
    trials: list[Trial] = field(default_factory=list)
    told: dict[int, Told] = field(default_factory=dict)
    """By index of the trial."""
    values: dict[int, float] = field(default_factory=dict)
    """Of the completed trials, by index."""

    @property
    def asked(self) -> int:
        """Trials proposed so far."""
        return len(self.trials)

    @property
    def running(self) -> int:
        """Trials proposed and not over."""
        return len(self.trials) - len(self.told)

    @property
    def over(self) -> bool:
        """Whether every trial of the budget is over."""
        return len(self.told) >= self.total

    def finalist(self, minimize: bool) -> Trial | None:
        """The best completed trial; the earlier one of equals."""
        if not self.values:
            return None
        sign = 1 if minimize else -1
        return self.trials[min(self.values, key=lambda index: (sign * self.values[index], index))]
