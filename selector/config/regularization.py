"""Independent switches against overfitting and instability."""

from __future__ import annotations

from dataclasses import dataclass

from selector.config import limits


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """Independent switches against overfitting and instability; 0 turns each of them off."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    version: int = 1
    """Raised when the mathematics changes."""
    dropout: float = 0.0
    """Share of activations dropped after the embedding and in each residual branch."""
    grad_clip: float = 1.0
    """Largest Euclidean norm of the whole gradient."""
    label_smoothing: float = 0.0
    """Share of the target's probability spread over the vocabulary, in training only."""
    z_loss: float = 0.0
    """Weight of the squared log-partition function, in training only (arXiv 2204.02311)."""

    def __post_init__(self) -> None:
        """Refuse values outside their limits."""
        limits.refuse(vars(self))
