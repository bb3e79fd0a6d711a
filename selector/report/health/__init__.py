"""Checks of a study's own soundness; each finding names its remedy as a command.

A check is a function of the evidence; `CHECKS` lists them all. docs/training_troubles.md says what
each of them notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from selector.report.compare import ArmRow
from selector.report.health.costs import (
    hot_device,
    slow_arm,
    too_slow,
    unlike_devices,
    winner_takes_longer,
)
from selector.report.health.curves import overfitting, still_improving, unstable
from selector.report.health.evidence import Evidence, Finding, gather
from selector.report.health.failures import infeasible, many_failures, out_of_memory
from selector.report.health.fairness import (
    other_lengths,
    other_metrics,
    unequal_budgets,
    unlike_ranges,
)
from selector.report.health.gradients import always_clipped, exploding, uneven
from selector.report.health.search import (
    best_at_edge,
    few_good_trials,
    rungs_mislead,
    too_few_trials,
    untuned_rate,
)
from selector.report.health.targets import unbalanced_classes
from selector.study.answer import Answer
from selector.study.stored import StoredStudy

__all__ = ["CHECKS", "Check", "Finding", "best_at_edge", "findings", "gather"]

Check = Callable[[Evidence], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    best_at_edge,
    too_few_trials,
    few_good_trials,
    untuned_rate,
    rungs_mislead,
    many_failures,
    out_of_memory,
    infeasible,
    still_improving,
    unstable,
    overfitting,
    exploding,
    uneven,
    always_clipped,
    unequal_budgets,
    unlike_ranges,
    other_lengths,
    other_metrics,
    unbalanced_classes,
    too_slow,
    slow_arm,
    winner_takes_longer,
    unlike_devices,
    hot_device,
)


def findings(stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]) -> list[Finding]:
    """What every check finds, in the order of CHECKS."""
    evidence = gather(stored, answer, rows)
    return [found for check in CHECKS for found in check(evidence)]
