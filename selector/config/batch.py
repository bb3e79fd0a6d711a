"""How many tokens one optimizer step sees, and how that grows while a run trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from selector.config import limits

#: A growing context grows by so many tokens at a time.
CONTEXT_STEP = 8


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
    batch_warmup: float = 0.0
    """Share of the run's tokens over which a step grows from one forward pass to all; 0: none."""
    context_warmup: float = 0.0
    """Share of the run's tokens over which sequences grow to the whole context; 0: none."""
    context_start: int = 8
    """Tokens in a sequence at first, where the context grows."""
    windows: Literal["anywhere", "disjoint"] = "anywhere"
    """Which sequences are read: such as begin anywhere in the text, with replacement; or those
    that stand side by side in it, each once a pass, every pass in an order of its own."""

    def __post_init__(self) -> None:
        """Refuse sizes below one, and growth of what cannot grow."""
        limits.refuse(vars(self))
        mistakes = []
        if self.batch_warmup and self.accumulation == 1:
            mistakes.append(
                f"batch_warmup: {self.batch_warmup} has no effect on one forward pass a step;"
                " expected 0, or smaller micro-batches and a larger accumulation"
            )
        if self.context_warmup and self.context_start >= self.context:
            mistakes.append(
                f"context_start: expected below the context of {self.context} tokens, which it"
                f" grows to, got {self.context_start}"
            )
        if mistakes:
            raise ValueError("\n".join(mistakes))

    @property
    def notes(self) -> tuple[str, ...]:
        """What has no effect."""
        if not self.context_warmup and self.context_start != type(self).context_start:
            return ("context_start: has no effect with context_warmup=0",)
        return ()

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step sees; at full size, where it grows."""
        return self.sequences_per_step * self.context

    @property
    def sequences_per_step(self) -> int:
        """Sequences that one optimizer step sees; at full size, where it grows."""
        return self.micro_batch * self.accumulation

    @property
    def grows(self) -> bool:
        """Whether steps differ in size: then they depend on the length of the run."""
        return bool(self.batch_warmup or self.context_warmup)

    @property
    def passes(self) -> tuple[int, ...]:
        """Forward passes of a step, from the first ones to the full number."""
        return tuple(range(1 if self.batch_warmup else self.accumulation, self.accumulation + 1))

    @property
    def contexts(self) -> tuple[int, ...]:
        """Lengths of a sequence, from the first ones to the full one."""
        if not self.context_warmup:
            return (self.context,)
        return (*range(self.context_start, self.context, CONTEXT_STEP), self.context)

    @property
    def mean_context(self) -> float:
        """The mean length of a sequence over the tokens of a run; where it grows, in the limit
        of many steps."""
        growing = self.contexts[:-1]
        if not growing:
            return self.context
        share = self.context_warmup
        return share * sum(growing) / len(growing) + (1 - share) * self.context
