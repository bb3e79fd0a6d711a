"""Studies made of simulated sub-searches: verdict runs, looks and answers.

Levels and verdicts come from the package's `verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.method.search import Plan
from benchmarks.method.surfaces import SEED_SD, Array
from selector.study.verdict import Evidence, Verdict, VerdictState, decide, look_level

#: Loss of the best technique at its optimum, in nats; what a share of the baseline is taken of.
BEST = 3.0


def units(plan: Plan, finalists: Array, seed: int) -> Array:
    """[studies, arms, R] verdict means of finalists with that excess, seeds in shared blocks."""
    generator = np.random.default_rng(seed)
    studies, arms, replicates = finalists.shape
    shape = (studies, arms, replicates, plan.verdict_seeds)
    own = plan.noise(generator, shape)
    shared = plan.noise(generator, (studies, 1, replicates, plan.verdict_seeds))
    both = np.sqrt(1 - plan.correlation) * own + np.sqrt(plan.correlation) * shared
    return BEST + finalists + SEED_SD * both.mean(axis=3)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a study says in the end."""

    verdict: Verdict
    units: int
    """Sub-searches used in each arm."""

    @property
    def winner(self) -> int | None:
        """The arm that won."""
        won = self.verdict.state is VerdictState.WINNER
        return int(self.verdict.best) if won else None


def conclude(values: Array, looks: Sequence[int], margin: float = 0.0) -> Answer:
    """The answer of one study whose arms have the units `values` [arms, R], by its looks."""
    for count in looks:
        evidence = {str(arm): _evidence(own[:count]) for arm, own in enumerate(values)}
        level = look_level(count, looks)
        verdict = decide(evidence, minimize=True, margin=margin, unit="sub-search", level=level)
        assert verdict is not None
        if verdict.state is not VerdictState.INSUFFICIENT:
            break
    return Answer(verdict=verdict, units=count)


def _evidence(values: Array) -> Evidence:
    """Of an arm's units; one that is infinite found nothing that trains."""
    found = tuple(values[np.isfinite(values)].tolist())
    empty = len(values) - len(found)
    return Evidence(
        values=found, cost=1.0, barred=f"{empty} found nothing" if empty else "", failed=not found
    )
