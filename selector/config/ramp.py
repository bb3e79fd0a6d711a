"""How large each step of a run is where its batch or its context grows while it trains.

Both grow with the tokens read, in equal parts of the share of the run that they take: the passes
of a step one by one from a single one, the context by 8 tokens from `context_start`. A run then
consists of stretches of equal steps; without growth there is one. The sequences stay those of the
run without growth, in the same order: a shorter context reads the beginning of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from selector.config.batch import Batch


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Steps of one size, and what comes before the first of them."""

    step: int
    """Steps before it."""
    sequences: int
    """Sequences before it, that is, the number of its first in the stream of samples."""
    tokens: int
    """Tokens before it."""
    steps: int
    accumulation: int
    context: int
    size: int
    """Tokens of one of its steps."""


@lru_cache(maxsize=256)
def stretches(batch: Batch, tokens: int) -> tuple[Stretch, ...]:
    """The stretches of a run that reads at most `tokens` tokens in whole steps, at least one."""
    passes, contexts = batch.passes, batch.contexts
    more_passes = _ends(len(passes), batch.batch_warmup, tokens)
    longer_context = _ends(len(contexts), batch.context_warmup, tokens)
    found: list[Stretch] = []
    step = sequences = read = wide = long = 0
    while True:
        while read >= more_passes[wide]:
            wide += 1
        while read >= longer_context[long]:
            long += 1
        size = batch.micro_batch * passes[wide] * contexts[long]
        until = min(more_passes[wide], longer_context[long])
        fitting = max((tokens - read) // size, 0 if found else 1)
        steps = fitting if math.isinf(until) else min(fitting, math.ceil((until - read) / size))
        if not steps:
            return tuple(found)
        found.append(
            Stretch(
                step=step,
                sequences=sequences,
                tokens=read,
                steps=steps,
                accumulation=passes[wide],
                context=contexts[long],
                size=size,
            )
        )
        step, read = step + steps, read + steps * size
        sequences += steps * batch.micro_batch * passes[wide]


def total_steps(batch: Batch, tokens: int) -> int:
    """Steps of a run of `tokens` tokens: whole steps, at least one."""
    last = stretches(batch, tokens)[-1]
    return last.step + last.steps


def stretch_at(batch: Batch, tokens: int, step: int) -> Stretch:
    """The stretch of a run of `tokens` tokens that its step `step` (from 0) belongs to."""
    return next(item for item in reversed(stretches(batch, tokens)) if item.step <= step)


def tokens_read(batch: Batch, tokens: int, steps: int) -> int:
    """What the first `steps` steps of a run of `tokens` tokens read."""
    there = stretch_at(batch, tokens, steps)
    return there.tokens + (steps - there.step) * there.size


def _ends(levels: int, share: float, tokens: int) -> list[float]:
    """The tokens read at which each level is over; the last one never is."""
    each = share * tokens / max(1, levels - 1)
    return [each * (level + 1) for level in range(levels - 1)] + [math.inf]
