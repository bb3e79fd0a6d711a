"""What the host keeps about one run while it trains: where it is, what is due, what it has seen."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.config.identity import config_content, digest
from selector.space.cost import flops_per_token
from selector.track.run import Run
from selector.train.bank import State
from selector.train.checkpoint import Row, Snapshot
from selector.train.data.corpus import Corpus
from selector.train.data.sample import evaluation_windows
from selector.train.regularization.horizon import averaged_like
from selector.train.regularization.stopping import EarlyStopping
from selector.train.resumption import Checkpoints
from selector.train.schedule import REACTS, SCHEDULES, shared_steps, warmed_like
from selector.train.schedule.plateau import Plateau
from selector.train.spikes import Spikes

_REPORTS = 50  # points of a training curve; each makes the host wait for the device once
_PILOT_REPORTS = 4  # of a run that is timed: the first holds the warmup of the device
_JUDGED_ON_TEST = ("verdict", "rerun", "single")


class Member:
    """A run in a slot of a bank."""

    def __init__(
        self, run: Run, slot: int, corpus: Corpus, checkpoints: Checkpoints | None = None
    ) -> None:
        self.run, self.slot = run, slot
        self.config = run.config
        self.steps = run.config.steps(run.tokens)
        self.step = 0
        """Steps made so far."""
        self.facts: dict[str, Any] = {}
        """What there is to say about how it was trained, for its result."""
        self.rows: list[Row] = []
        """What it has reported, in order."""
        self.earlier = 0.0
        """Seconds that earlier attempts took up to where this one went on."""
        self.checkpoints = checkpoints or Checkpoints(run)
        self._trunk = 0
        if run.trunk_for:
            schedule, longer = run.config.schedule, run.config.steps(run.trunk_for)
            self.config = replace(
                run.config,
                schedule=warmed_like(schedule, self.steps, longer),
                regularization=averaged_like(run.config.regularization, self.steps, longer),
            )
            self._trunk = shared_steps(schedule, self.steps, longer)
        reacts = run.config.schedule.name == REACTS
        self._plateau = Plateau(run.config.schedule.values) if reacts else None
        self.final = run.stage in _JUDGED_ON_TEST
        """Whether the run's end is looked at closely: test part, weights kept."""
        objective, context = run.config.objective, run.config.batch.context
        self._evaluations = _spread(objective.evaluations, self.steps)
        reports = _PILOT_REPORTS if run.stage == "pilot" else _REPORTS
        self._reports = _spread(reports, self.steps) | self._evaluations
        # The same windows every time: points of a curve over different texts are not one curve.
        self.validation_windows = evaluation_windows(
            corpus.part("validation"), context, objective.evaluation_tokens
        )
        self.stopping = EarlyStopping(
            run.config.regularization.patience,
            objective.metric,
            minimize=objective.direction == "minimize",
        )
        """Whether its evaluations still improve."""
        self._loss_spikes, self._gradient_spikes = Spikes(), Spikes()
        self._losses = array("d")
        self._norms = array("d")
        self._started_at = 0
        self._reported_at = 0
        self._reported_seconds = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read so far."""
        return self._tokens_at(self.step)

    @property
    def due(self) -> bool:
        """Whether this step is reported."""
        return self.step in self._reports

    @property
    def keeps(self) -> bool:
        """Whether longer runs may start from the state after this step."""
        return self._trunk > 0 and self.step == self._trunk

    @property
    def due_next(self) -> bool:
        """Whether the next step will be reported."""
        return self.step + 1 in self._reports

    @property
    def done(self) -> bool:
        """Whether this was the last step."""
        return self.step == self.steps or self.stopping.over

    def snapshot(self, state: State, seconds: float) -> Snapshot:
        """The run as it is now, all its steps taken; `state` is that of its slot.

        Nothing in it changes as training goes on; `seconds` are those of this attempt.
        """
        return Snapshot(
            config=self._identity,
            state=state,
            losses=tuple(self._losses),
            norms=tuple(self._norms),
            seconds=self.earlier + seconds + self.facts.get("seconds_saved", 0.0),
            rows=tuple(self.rows),
            best=self.stopping.weights,
            facts=dict(self.facts),
        )

    def branch(self, snapshot: Snapshot) -> None:
        """Start where `snapshot` of a shorter run was taken.

        Raises:
            ValueError: that was another configuration, or as many steps as this run has.
        """
        step = snapshot.state.step
        if snapshot.config != self._identity:
            raise ValueError("it was left by a run of another configuration")
        if step >= self.steps:
            raise ValueError(f"it was left after {step} steps, and this run has {self.steps}")
        self._losses, self._norms = array("d", snapshot.losses), array("d", snapshot.norms)
        self.step = self._started_at = step
        self._reported_at = max((due for due in self._reports if due <= step), default=0)

    def resume(self, snapshot: Snapshot) -> list[tuple[int, float]]:
        """Go on where `snapshot` of this very run was taken.

        Returns:
            After which steps the rates of all further ones were multiplied, and by what.

        Raises:
            ValueError: that was another run.
        """
        self.branch(snapshot)
        self.rows, self.facts = list(snapshot.rows), dict(snapshot.facts)
        self.earlier = snapshot.seconds - self.facts.get("seconds_saved", 0.0)
        self._started_at = snapshot.state.step
        cuts = []
        for step, metrics in self.rows:
            if "validation/loss" in metrics and step in self._evaluations:
                cuts.append((step, self.judged(metrics["validation/loss"])))
                self.stopping.see(step, metrics, {})
        self.stopping.weights = snapshot.best
        return cuts

    @property
    def _identity(self) -> str:
        content = config_content(self.run.config)
        del content["schedule"]
        for name in ("ema", "swa"):  # the state says how it was averaged
            del content["regularization"][name]
        return digest(content)

    @property
    def evaluates(self) -> bool:
        """Whether the validation part is evaluated after this step."""
        return self.step in self._evaluations

    def windows(self) -> npt.NDArray[np.int64] | None:
        """The validation windows to evaluate after this step; None: none are due."""
        return self.validation_windows if self.evaluates else None

    def take(self, losses: npt.NDArray[np.float64], norms: npt.NDArray[np.float64]) -> str:
        """Remember further steps, [n] each; what went wrong where one was not finite, else ''."""
        for loss, norm in zip(losses.tolist(), norms.tolist(), strict=True):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                self.step = len(self._losses) + 1  # what came after it, unseen, is not part
                what = "gradient norm" if math.isfinite(loss) else "training loss"
                return self.diverged(what, norm if math.isfinite(loss) else loss)
            self._losses.append(loss)
            self._norms.append(norm)
        return ""

    def diverged(self, what: str, value: float) -> str:
        """The sentence for a run whose `what` is not finite at this step."""
        last = self._losses[-1] if self._losses else math.nan
        return (
            f"{what} was {value} at step {self.step} of {self.steps};"
            f" the last finite training loss was {last:.4f}"
        )

    def judged(self, loss: float) -> float:
        """Take the validation loss at this step; the factor for the rates of all further steps."""
        return self._plateau.see(loss) if self._plateau else 1.0

    def metrics(self, seconds: float, capacity: float) -> dict[str, float]:
        """Training metrics since the last call.

        Args:
            seconds: trained so far, in all.
            capacity: the device's peak in FLOPs per second, divided by the runs side by side.

        Returns:
            `train/loss`: mean cross-entropy of the steps, in nats per token, without label
            smoothing and z-loss. `gradient_norm`: mean of the whole gradient's norm before
            clipping. `clipped_share`: share of all steps so far whose gradient was longer than
            grad_clip allows. `loss_spikes` and `gradient_spikes`: steps so far that leapt above
            those before them, by the rule of `selector.train.spikes`. `tokens_per_second`: of
            training, evaluations left out; what neighbours in the bank train meanwhile is not in
            it. `model_flop_utilization`: the
            FLOPs per second of all runs side by side over the device's peak, by the formula of
            `selector.space.cost.flops_per_token`: what a program does beyond it (optimizer, norms,
            recomputed activations) is no model's work (arXiv 2204.02311, appendix B).
            `learning_rate`: of the last step.
        """
        values = self.config.schedule.values
        factor = SCHEDULES[self.config.schedule.name](self.step - 1, self.steps, values)
        factor *= self._plateau.share if self._plateau else 1.0
        steps, since = self.step - self._reported_at, slice(self._reported_at, None)
        tokens = self.tokens - self._tokens_at(max(self._reported_at, self._started_at))
        speed = tokens / max(seconds - self._reported_seconds, 1e-9)
        found = {
            "train/loss": math.fsum(self._losses[since]) / steps,
            "gradient_norm": math.fsum(self._norms[since]) / steps,
            "clipped_share": self._clipped_share(),
            "loss_spikes": self._loss_spikes.count(self._losses),
            "gradient_spikes": self._gradient_spikes.count(self._norms),
            "tokens_per_second": speed,
            "model_flop_utilization": speed * flops_per_token(self.config) / capacity,
            "learning_rate": self.config.optimizer["lr"] * factor,
        }
        self._reported_at, self._reported_seconds = self.step, seconds
        return found

    def _tokens_at(self, step: int) -> int:
        return self.config.tokens_read(self.run.tokens, step)

    def _clipped_share(self) -> float:
        clip = self.config.regularization.grad_clip
        return float(np.mean(np.asarray(self._norms) > clip)) if clip else 0.0


def _spread(points: int, steps: int) -> set[int]:
    """`points` steps from 1 to `steps`, evenly spread, the last included."""
    return {max(1, round(steps * point / points)) for point in range(1, points + 1)}
