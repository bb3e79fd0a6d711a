"""What the host keeps about one run while it trains: where it is, what is due, what it has seen."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from selector.track.run import Run
from selector.train.data.corpus import Corpus
from selector.train.data.sample import evaluation_windows
from selector.train.schedule import SCHEDULES

_REPORTS = 50  # points of a training curve; each makes the host wait for the device once
_PILOT_REPORTS = 4  # of a run that is timed: the first holds the warmup of the device
_JUDGED_ON_TEST = ("verdict", "rerun", "single")


class Member:
    """A run in a slot of a bank."""

    def __init__(self, run: Run, slot: int, corpus: Corpus) -> None:
        self.run, self.slot = run, slot
        self.config = run.config
        self.steps = run.config.steps(run.tokens)
        self.step = 0
        """Steps made so far."""
        self.final = run.stage in _JUDGED_ON_TEST
        """Whether the run's end is looked at closely: test part, weights kept."""
        objective, context = run.config.objective, run.config.batch.context
        self._evaluations = _spread(objective.evaluations, self.steps)
        reports = _PILOT_REPORTS if run.stage == "pilot" else _REPORTS
        self._reports = _spread(reports, self.steps) | self._evaluations
        # The same windows every time: points of a curve over different texts are not one curve.
        self._windows = evaluation_windows(
            corpus.part("validation"), context, objective.evaluation_tokens
        )
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._last_finite = math.nan
        self._taken = 0
        self._reported_at = 0
        self._reported_seconds = 0.0

    @property
    def due(self) -> bool:
        """Whether this step is reported."""
        return self.step in self._reports

    @property
    def done(self) -> bool:
        """Whether this was the last step."""
        return self.step == self.steps

    def windows(self) -> npt.NDArray[np.int64] | None:
        """The validation windows to evaluate after this step; None: none are due."""
        return self._windows if self.step in self._evaluations else None

    def take(self, losses: npt.NDArray[np.float64], norms: npt.NDArray[np.float64]) -> str:
        """Remember further steps, [n] each; what went wrong where one was not finite, else ''."""
        for loss, norm in zip(losses.tolist(), norms.tolist(), strict=True):
            self._taken += 1
            if not (math.isfinite(loss) and math.isfinite(norm)):
                self.step = self._taken  # what came after it, unseen, is not part of the run
                what = "gradient norm" if math.isfinite(loss) else "training loss"
                return self.diverged(what, norm if math.isfinite(loss) else loss)
            self._last_finite = loss
            self._losses.append(loss)
            self._norms.append(norm)
        return ""

    def diverged(self, what: str, value: float) -> str:
        """The sentence for a run whose `what` is not finite at this step."""
        return (
            f"{what} was {value} at step {self.step} of {self.steps};"
            f" the last finite training loss was {self._last_finite:.4f}"
        )

    def metrics(self, seconds: float) -> dict[str, float]:
        """Training metrics since the last call; `seconds` is the time trained so far."""
        values = self.config.schedule.values
        factor = SCHEDULES[self.config.schedule.name](self.step - 1, self.steps, values)
        tokens = (self.step - self._reported_at) * self.config.batch.tokens_per_step
        found = {
            "train/loss": math.fsum(self._losses) / len(self._losses),
            "gradient_norm": math.fsum(self._norms) / len(self._norms),
            "tokens_per_second": tokens / max(seconds - self._reported_seconds, 1e-9),
            "learning_rate": self.config.optimizer["lr"] * factor,
        }
        self._losses, self._norms = [], []
        self._reported_at, self._reported_seconds = self.step, seconds
        return found


def _spread(points: int, steps: int) -> set[int]:
    """`points` steps from 1 to `steps`, evenly spread, the last included."""
    return {max(1, round(steps * point / points)) for point in range(1, points + 1)}
