"""Independent switches against overfitting and instability."""

from __future__ import annotations

from dataclasses import dataclass

from selector.config import limits
from selector.config.algorithms import ALGORITHMS, capability
from selector.config.technique import Technique

PATIENCE = "regularization.patience"


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """Independent switches against overfitting and instability; each is off by default."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    version: int = 1
    """Raised when the mathematics changes."""
    dropout: float = 0.0
    """Share of activations dropped after the embedding and in each residual branch."""
    stochastic_depth: float = 0.0
    """Probability with which a sequence skips the last residual branch; it grows from the first
    branch on in equal steps (arXiv 1603.09382)."""
    grad_clip: float = 1.0
    """Largest Euclidean norm of the whole gradient; 0: off."""
    grad_clip_value: float = 0.0
    """Largest size of each value of the gradient, after grad_clip; 0: off."""
    label_smoothing: float = 0.0
    """Share of the target's probability spread over the vocabulary, in training only."""
    z_loss: float = 0.0
    """Weight of the squared log-partition function, in training only (arXiv 2204.02311)."""
    l1: float = 0.0
    """Weight of the sum of the sizes of all matrices' weights, in training only."""
    sam: float = 0.0
    """How far uphill from the weights the gradient is taken (rho of arXiv 2010.01412); a step
    then costs two gradients. 0: at the weights."""
    ema: float = 0.0
    """Horizon of an exponential moving average of the weights, as a share of the run's steps: the
    decay is 1 - 1 / (ema * steps). The average is what is judged and kept; 0: the weights are."""
    swa: float = 0.0
    """Share of the run, at its end, whose weights are averaged equally; the average is what is
    judged and kept. 0: off."""
    layer_rate_decay: float = 1.0
    """Learning rate of each block as a share of that of the block above it; 1: all alike."""
    patience: int = 0
    """The run ends after so many evaluations that were not its best, and the weights and values
    of its best evaluation are its result; only where its length is counted in epochs. 0: off."""

    def __post_init__(self) -> None:
        """Refuse values outside their limits, and averages that contradict something."""
        limits.refuse(vars(self))
        if self.ema and self.swa:
            raise ValueError(
                f"ema, swa: expected one average of the weights, got {self.ema} and {self.swa}:"
                " only one can be judged"
            )
        if self.swa and self.patience:
            raise ValueError(
                f"swa, patience: expected one of them, got {self.swa} and {self.patience}: the end"
                " that swa averages is not reached where patience ends the run; ema has no such end"
            )

    @property
    def averages(self) -> bool:
        """Whether an average of the weights is judged and kept instead of the weights."""
        return bool(self.ema or self.swa)


def mistakes(regularization: Regularization, optimizer: Technique) -> list[str]:
    """What of a run's regularization its optimizer cannot do, a line each."""
    option = optimizer.name
    own = capability(str(optimizer.values.get("algorithm", ALGORITHMS.get(option, ""))))
    found = []
    if own.switches and regularization.averages:
        found.append(
            f"regularization.ema, regularization.swa: expected 0 with optimizer {option}, which is"
            " judged at an average of its own"
        )
    if own.closure and regularization.sam:
        found.append(
            f"regularization.sam: expected 0 with optimizer {option}, got {regularization.sam}: it"
            " compares losses and gradients of one place, and SAM takes them at two"
        )
    if own.one_group and regularization.layer_rate_decay < 1:
        found.append(
            f"regularization.layer_rate_decay: expected 1 with optimizer {option}, got"
            f" {regularization.layer_rate_decay}: it has one rate for all parameters"
        )
    return found


def patience_mistake(patience: int, metric: str, unit: str) -> str:
    """Why `patience` cannot end runs that `metric` judges and `unit` counts; '' if it can."""
    if not patience:
        return ""
    if unit != "epochs":
        return (
            f"expected 0 for runs counted in {unit}, got {patience}: their length is what is"
            " compared, and none may end before it; budget.epochs counts passes over the text. What"
            " a patience of 3 would have done is among the facts of every run"
        )
    if not metric.startswith("validation/"):
        return f"expected an objective.metric of the validation part, got {metric}"
    return ""
