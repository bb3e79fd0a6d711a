"""Whether the arms had equal chances, and whether their values can be compared at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from selector.config.command_line import LENGTHS
from selector.report.digits import number, size
from selector.report.health.evidence import ArmEvidence, Evidence, Finding
from selector.report.health.remedy import again, alone, go_on, range_text
from selector.space.interval import Interval

_UNEQUAL_SHARE = 0.1
# Ranges of the shipped optimizers span 1.5 to 2.4 decades; a grid of habits, one or three.
_UNLIKE_DECADES = 1.2
_OTHER_LENGTH = 0.01
_RATES = ("lr", "learning_rate")
# Names of metrics that a changed target or another vocabulary does not change.
_TASK_METRIC = re.compile(r"accuracy|f1|bleu|rouge|exact_match|bits_per_byte")
_LOSS = re.compile(r"(^|/|_)(loss|cross_entropy|nll|perplexity)$")


def unequal_budgets(evidence: Evidence) -> Iterator[Finding]:
    """Some arms tried clearly fewer settings than others."""
    study = evidence.study
    fewest = min(evidence.arms, key=lambda found: len(found.trials))
    most = max(evidence.arms, key=lambda found: len(found.trials))
    few, many = len(fewest.trials), len(most.trials)
    meant = sum(item.trials for item in most.search.extensions) * evidence.answer.units
    if many - few > _UNEQUAL_SHARE * many + meant:
        yield Finding(
            check="unequal budgets",
            arm=fewest.name,
            text=f"{few} trials are over, and {many} of {most.name}: the arm with more had more"
            " chances",
            remedy="" if evidence.answer.complete else go_on(study),
        )


def unlike_ranges(evidence: Evidence) -> Iterator[Finding]:
    """A key is searched over clearly fewer decades in one arm than in another.

    Learning rates are compared between all arms, other keys between arms of one optimizer: weight
    decay is not the same quantity in another.
    """
    study = evidence.study
    for found in evidence.arms:
        for key, item in found.arm.space.dimensions.items():
            if not isinstance(item, Interval) or not item.log:
                continue
            widest, name = max(
                (_decades(other), arm.name)
                for arm in study.arms
                if isinstance(other := arm.space.dimensions.get(key), Interval)
                and other.log
                and (
                    key.rpartition(".")[2] in _RATES
                    or arm.config.optimizer.name == found.arm.config.optimizer.name
                )
            )
            own = _decades(item)
            if widest - own <= _UNLIKE_DECADES:
                continue
            reach = 10 ** ((widest - own) / 2)
            wider = range_text(item, item.low / reach, item.high * reach)
            yield Finding(
                check="ranges of unlike width",
                arm=found.name,
                text=f"{key} is searched over {number(own, 1)} decades, in {name} over"
                f" {number(widest, 1)}: the narrower range is a head start where it is right, and a"
                " handicap where it is not",
                remedy=again(study, [*alone(found.arm), f"{key}={wider}"], "as_wide"),
            )


def other_lengths(evidence: Evidence) -> Iterator[Finding]:
    """Runs of some arms saw fewer tokens, although nobody asked for that.

    Compared lengths are meant, and so are those of `fair: flops` and `fair: seconds`.
    """
    study = evidence.study
    lengths = {
        found.name: max(item.run.tokens for item in found.trials)
        for found in evidence.arms
        if found.trials and found.arm.config.built_in
    }
    meant = any(key in arm.compared for arm in study.arms for key in LENGTHS)
    if study.fair != "tokens" or meant or not lengths:
        return
    longest = max(lengths.values())
    for name, tokens in lengths.items():
        if longest - tokens > _OTHER_LENGTH * longest:
            yield Finding(
                check="runs of other lengths",
                arm=name,
                text=f"its runs saw {size(tokens)} tokens, those of other arms {size(longest)}:"
                " what trains longer is usually better, and may only be better for that",
                remedy=again(study, [f"budget.tokens={longest}"], "as_long"),
            )


def other_metrics(evidence: Evidence) -> Iterator[Finding]:
    """A function's arms differ in label smoothing and are judged by a loss, which it changes.

    (Raising it from .1 to .2 took a validation loss from 1.50 to 1.60 while BLEU hardly moved: WMT
    in the MLCommons results.)
    """
    study = evidence.study
    if not _LOSS.search(study.metric):
        return
    for found in evidence.arms:
        if found.arm.config.built_in:
            continue
        keys = [*found.arm.compared, *found.arm.space.dimensions]
        if not any("label_smoothing" in key or "vocabulary" in key for key in keys):
            continue
        reported = _task_metric(found)
        changed = [f"objective.metric={reported}"]
        if reported and "bits" not in reported:
            changed.append("objective.direction=maximize")
        yield Finding(
            check="values that cannot be compared",
            arm=found.name,
            text=f"{study.metric} changes with what is compared or tuned, whether or not the model"
            " gets better: judge by a metric of the task"
            + (f", such as {reported}" if reported else ""),
            remedy=again(study, changed, "by_task") if reported else "",
        )


def _task_metric(found: ArmEvidence) -> str:
    """A metric of the task that the arm's runs report; empty: none."""
    names = {name for item in found.completed if item.result for name in item.result.metrics}
    return min((name for name in names if _TASK_METRIC.search(name)), default="")


def _decades(item: Interval) -> float:
    return math.log10(item.high / item.low)
