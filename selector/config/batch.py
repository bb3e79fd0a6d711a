"""How many tokens one optimizer step sees."""

from __future__ import annotations

from dataclasses import dataclass

from selector.config import limits


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How many tokens one optimizer step sees."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    micro_batch: int
    """Sequences in one forward pass."""
    accumulation: int = 1
    """Forward passes whose gradients are averaged into one step."""
    context: int
    """Tokens in a sequence."""

    def __post_init__(self) -> None:
        """Refuse sizes below one."""
        limits.refuse(vars(self))

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step sees."""
        return self.micro_batch * self.accumulation * self.context
