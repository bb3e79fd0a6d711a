"""Early stopping: a run ends when its evaluations have not improved for a while.

https://doi.org/10.1007/978-3-642-35289-8_5 (Prechelt, "Early Stopping - But When?"; here patience
counts evaluations). What a run had at its best evaluation is its result. Where no patience acts,
the same rule says what a patience of three would have made of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

_REPORTED = 3  # evaluations: what is said of runs that nothing ends early
_JUDGED = "validation/"


class EarlyStopping:
    """The rule, and what is kept for it, of one run.

    Args:
        patience: evaluations without a new best that end the run; 0: nothing ends it.
        metric: of the validation part; another one is not known at every evaluation, and the
            validation loss judges instead.
        minimize: whether less is better.
    """

    def __init__(self, patience: int, metric: str, *, minimize: bool) -> None:
        known = metric.startswith(_JUDGED)
        self._acts, self._patience = patience > 0, patience or _REPORTED
        self._metric = metric if known else f"{_JUDGED}loss"
        self._sign = 1.0 if minimize or not known else -1.0
        self._since = 0
        self._values: dict[str, float] = {}
        self.best_step = 0
        self.stops_at = 0
        """The step at which patience is over; 0: it is not."""
        self.weights: Mapping[str, Tensor] = {}
        """Of the best evaluation, on the CPU, where the rule acts."""

    @property
    def over(self) -> bool:
        """Whether the run ends now."""
        return self._acts and self.stops_at > 0

    def see(self, step: int, metrics: Mapping[str, float], weights: Mapping[str, Tensor]) -> None:
        """Take in the evaluation of `weights` after `step` steps."""
        if self.stops_at:
            return
        best = self._values.get(self._metric)
        if best is not None and self._sign * metrics[self._metric] >= self._sign * best:
            self._since += 1
            self.stops_at = step if self._since >= self._patience else 0
            return
        self._since, self.best_step = 0, step
        self._values = {n: value for n, value in metrics.items() if n.startswith(_JUDGED)}
        if self._acts:
            self.weights = {name: row.to("cpu", copy=True) for name, row in weights.items()}

    def result(self, step: int) -> dict[str, float]:
        """The values of a run that ends at `step`, where they are of an earlier evaluation."""
        return dict(self._values) if self._acts and self.best_step < step else {}

    def facts(self) -> dict[str, Any]:
        """What is said of the run: which evaluation was best, and where patience ended it."""
        if not self.best_step:
            return {}
        if self._acts:
            ended = {"stopped_at": self.stops_at} if self.stops_at else {}
            return {"best_step": self.best_step, **ended}
        would = {"would_stop_at": self.stops_at} if self.stops_at else {}
        rule = {"patience": self._patience, "best_step": self.best_step, **would}
        return {"early_stopping": {**rule, self._metric: self._values[self._metric]}}
