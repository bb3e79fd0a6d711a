"""Checks of a study's own soundness; each finding names a remedy as a command."""

from __future__ import annotations

import math
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from selector.report.compare import ArmRow
from selector.report.digits import number, setting, size
from selector.space.dimension import Interval
from selector.study.answer import Answer, Finalist, shared_edges
from selector.study.stored import StoredStudy
from selector.study.study import Arm, Study
from selector.track.run import Outcome, Stage

# Completed trials in a sub-search that make its best more than luck, by number of tuned keys: the
# small budget's 8 serve one key, the medium one's 16 two, and a quarter may fail.
_ENOUGH_TRIALS = {1: 6, 2: 12}
_ENOUGH_FOR_MORE = 20
_FAILED_SHARE = 0.25
_UNEQUAL_SHARE = 0.1
# The last quarter of a run is judged: it must bring this many margins of practical equality.
_CLEAR_MARGINS = 3
_LAST_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about a study that weakens its answer."""

    check: str
    arm: str
    """Empty where it concerns the whole study."""
    text: str
    remedy: str
    """A command; empty where none helps by itself."""


def findings(stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]) -> list[Finding]:
    """What every check finds, in the order of CHECKS."""
    return [found for check in CHECKS for found in check(stored, answer, rows)]


def best_at_edge(
    stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow] = ()
) -> Iterator[Finding]:
    """At least half of an arm's best settings lie at one end of a range."""
    study = stored.study
    for arm in study.arms:
        own = [item for item in answer.finalists if item.arm == arm.name]
        for (key, side), count in shared_edges(own).items():
            item = arm.space.dimensions[key]
            if not isinstance(item, Interval):
                continue
            wider = widened(key, item, side)
            if wider is None:
                continue
            low, high = (setting(float(end)) for end in (item.low, item.high))
            yield Finding(
                check="best at an edge",
                arm=arm.name,
                text=f"{count} of {len(own)} best settings lie at the {side} end of the range of"
                f" {key} ({low} to {high}): the best may lie outside",
                remedy=_again(study, [*_scoped(study, arm, key), f"{key}={wider}"], "wider"),
            )


def too_few_trials(
    stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]
) -> Iterator[Finding]:
    """A sub-search completed fewer trials than its number of tuned keys asks for."""
    study = stored.study
    if study.sampler.name == "grid":
        return
    for arm, row in zip(study.arms, rows, strict=True):
        dimensions = len(arm.space.dimensions)
        enough = _ENOUGH_TRIALS.get(dimensions, _ENOUGH_FOR_MORE) if dimensions else 0
        each = row.completed / study.sub_searches
        pending = (row.planned - row.trials) / study.sub_searches
        if each + pending >= enough:
            continue
        trials = max(enough, study.budget.trials + math.ceil(enough - each))
        yield Finding(
            check="too few trials",
            arm=arm.name,
            text=f"{setting(each)} trials completed in each sub-search; with {dimensions} tuned"
            f" {'key' if dimensions == 1 else 'keys'}, fewer than {enough} are mostly luck",
            remedy=f"selector run {study.name} budget.trials={trials}",
        )


def many_failures(stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]) -> Iterator[Finding]:
    """More than a quarter of an arm's explore runs failed."""
    for arm, row in zip(stored.study.arms, rows, strict=True):
        kinds = Counter(
            item.result.outcome
            for item in stored.record.runs(Stage.EXPLORE)
            if item.trial and item.trial.arm == arm.name and item.result
        )
        failed = {
            kind: count
            for kind, count in kinds.items()
            if kind not in (Outcome.COMPLETE, Outcome.STOPPED, Outcome.LOST)
        }
        if not row.trials or sum(failed.values()) <= _FAILED_SHARE * row.trials:
            continue
        kind = max(failed, key=lambda name: failed[name])
        words = ", ".join(f"{count} {name.value}" for name, count in failed.items())
        yield Finding(
            check="many failures",
            arm=arm.name,
            text=f"{sum(failed.values())} of {row.trials} trials failed ({words}): fewer were left"
            " to find the best among",
            remedy=_against(stored, arm, kind),
        )


def still_improving(
    stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]
) -> Iterator[Finding]:
    """The last quarter of the finalists' runs still brought clearly more than the margin."""
    study = stored.study
    if answer.verdict is None:
        return
    for arm in study.arms:
        own = [item for item in answer.finalists if item.arm == arm.name]
        gains = [gain for item in own for gain in _late_gains(stored, item)]
        if not gains or statistics.median(gains) <= _CLEAR_MARGINS * answer.verdict.margin:
            continue
        gain = number(statistics.median(gains), 3)
        function = not arm.config.built_in
        tokens = 2 * study.budget.tokens
        yield Finding(
            check="still improving at the end",
            arm=arm.name,
            text=f"the last quarter of its runs still brought {gain} in {study.metric}: longer"
            " training may change the order"
            + ("" if function else f" (now {size(study.budget.tokens)} tokens)"),
            remedy="" if function else _again(study, [f"budget.tokens={tokens}"], "longer"),
        )


def unequal_budgets(
    stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]
) -> Iterator[Finding]:
    """Some arms tried clearly fewer settings than others."""
    study = stored.study
    fewest = min(rows, key=lambda row: row.trials)
    most = max(rows, key=lambda row: row.trials)
    if most.trials - fewest.trials > _UNEQUAL_SHARE * most.trials:
        yield Finding(
            check="unequal budgets",
            arm=fewest.name,
            text=f"{fewest.trials} trials are over, and {most.trials} of {most.name}: the arm with"
            " more had more chances",
            remedy="" if answer.complete else f"selector run {study.name}",
        )


def untuned_rate(stored: StoredStudy, answer: Answer, rows: Sequence[ArmRow]) -> Iterator[Finding]:
    """The learning rate was not tuned: an arm may lose at somebody else's rate."""
    key = "optimizer.lr"
    for arm in stored.study.arms:
        rate = arm.config.optimizer.values.get("lr")
        tuned = key in arm.space.dimensions or key in arm.compared
        if tuned or not isinstance(rate, int | float) or _is_function(arm):
            continue
        wider = f"tag(log,interval({setting(rate / 10.0)},{setting(rate * 10.0)}))"
        yield Finding(
            check="learning rate not tuned",
            arm=arm.name,
            text=f"it ran at a learning rate of {setting(float(rate))} only, which may suit"
            " another arm better",
            remedy=_again(
                stored.study, [*_scoped(stored.study, arm, key), f"{key}={wider}"], "tuned"
            ),
        )


Check = Callable[[StoredStudy, Answer, Sequence[ArmRow]], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    best_at_edge,
    too_few_trials,
    many_failures,
    still_improving,
    unequal_budgets,
    untuned_rate,
)


def widened(key: str, item: Interval, side: str) -> str | None:
    """The range, longer by half on one side, as an override; None where the limits end there."""
    wider = item.widened(side, key)
    if wider is None:
        return None
    inner = f"interval({setting(wider.low)},{setting(wider.high)})"
    return f"tag(log,{inner})" if item.log else inner


def _scoped(study: Study, arm: Arm, key: str) -> list[str]:
    """Overrides that leave `arm` alone in the study, where a range for `key` would not fit all."""
    own = arm.space.dimensions.get(key)
    others = [other for other in study.arms if _has(other, key)]
    if all(other.space.dimensions.get(key) == own for other in others):
        return []
    return [f"{name}={setting(value)}" for name, value in arm.compared.items()]


def _has(arm: Arm, key: str) -> bool:
    if key in arm.space.dimensions:
        return True
    part, _, leaf = key.partition(".")
    return part == "optimizer" and leaf in arm.config.optimizer.values


def _again(study: Study, overrides: list[str], suffix: str) -> str:
    """The command that asks a changed question beside the stored one."""
    words = ["selector", "run", study.name, *overrides, f"name={study.name}_{suffix}"]
    return shlex.join(words)


def _against(stored: StoredStudy, arm: Arm, kind: Outcome) -> str:
    """The override that avoids a kind of failure, where there is one."""
    if kind is Outcome.OUT_OF_MEMORY and not _is_function(arm):
        batch = arm.config.batch
        smaller = [
            f"batch.micro_batch={max(1, batch.micro_batch // 2)}",
            f"batch.accumulation={batch.accumulation * 2}",
        ]
        return _again(stored.study, smaller, "smaller_batch") if batch.micro_batch > 1 else ""
    item = arm.space.dimensions.get("optimizer.lr")
    if kind is not Outcome.DIVERGED or not isinstance(item, Interval):
        return ""
    rates = [
        float(stored_run.trial.values["optimizer.lr"])  # type: ignore[arg-type]
        for stored_run in stored.record.runs(Stage.EXPLORE)
        if stored_run.trial
        and stored_run.trial.arm == arm.name
        and "optimizer.lr" in stored_run.trial.values
        and stored_run.result
        and stored_run.result.outcome is Outcome.COMPLETE
    ]
    highest = max(rates, default=0.0)
    if not item.low < highest < item.high:
        return ""
    inner = f"interval({setting(float(item.low))},{setting(highest)})"
    text = f"tag(log,{inner})" if item.log else inner
    overrides = [*_scoped(stored.study, arm, "optimizer.lr"), f"optimizer.lr={text}"]
    return _again(stored.study, overrides, "narrower")


def _late_gains(stored: StoredStudy, finalist: Finalist) -> Iterator[float]:
    """How much the metric improved over the last quarter of each of a finalist's completed runs."""
    study = stored.study
    sign = 1 if study.minimize else -1
    over = [
        item
        for item in stored.record.runs()
        if item.trial
        and item.trial.number == finalist.trial.number
        and item.result
        and item.result.value is not None
    ]
    verdict = [item for item in over if item.run.stage == Stage.VERDICT]
    for item in verdict or over:
        points = [
            (point["step"], point[study.metric])
            for point in stored.record.curve(item.run.key)
            if study.metric in point
        ]
        before = [value for step, value in points if step <= (1 - _LAST_SHARE) * points[-1][0]]
        if before:
            yield sign * (before[-1] - points[-1][1])


def _is_function(arm: Arm) -> bool:
    return not arm.config.built_in
