"""The arms side by side, in plain numbers: what each tried, what it reached, what it cost."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from selector.space.cost import flops_per_token
from selector.study.answer import Answer, Finalist
from selector.study.stored import StoredStudy
from selector.track.record import StoredRun
from selector.track.run import Outcome, Stage


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """What is known of one arm; None where nothing is."""

    name: str
    planned: int
    """Trials that the budget asks for, over all sub-searches."""
    trials: int
    """Trials whose run is over."""
    completed: int
    """Trials whose run completed."""
    failures: Mapping[str, int]
    """Kind -> runs of any stage that ended so, without a value."""
    explored: float | None
    """Best value in the search: optimistic, because it was chosen for it."""
    mean: float | None
    """On fresh seeds: the mean over the units of the verdict."""
    low: float | None
    high: float | None
    """Ends of the mean's 95 % interval."""
    seeds: int
    """Verdict runs that completed."""
    optimism: float | None
    """How much better the finalists looked in the search than on fresh seeds, in the metric."""
    test: float | None
    """Mean of the metric on the test part over the verdict runs, where they report one."""
    seconds: float | None
    """Median time of a verdict run, else of an explore run, that completed."""
    tokens: int
    """Training tokens of all runs together."""
    flops: int | None
    """Floating-point operations of all runs by formula; None for functions of the user's."""


def arm_rows(stored: StoredStudy, answer: Answer) -> list[ArmRow]:
    """A row for each arm, in the study's order."""
    by_arm: dict[str, list[StoredRun]] = {arm.name: [] for arm in stored.study.arms}
    for item in stored.record.runs():
        if item.trial and item.trial.arm in by_arm:
            by_arm[item.trial.arm].append(item)
    return [_row(stored, answer, name, runs) for name, runs in by_arm.items()]


def devices(runs: Iterable[StoredRun]) -> dict[str, set[str]]:
    """The kinds of devices on which completed runs were trained -> the arms of those runs."""
    found: dict[str, set[str]] = {}
    for item in runs:
        complete = item.result and item.result.outcome is Outcome.COMPLETE
        if complete and item.result and item.trial and "device" in item.result.facts:
            found.setdefault(str(item.result.facts["device"]), set()).add(item.trial.arm)
    return found


def tokens_spent(item: StoredRun) -> int:
    """Training tokens that a run used; 0 where a function failed: its steps have no known size.

    A replay trains nothing.
    """
    if item.result is None or item.run.config.objective.kind == "replay":
        return 0
    if item.result.outcome is Outcome.COMPLETE:
        return item.run.tokens
    if not item.run.config.built_in:
        return 0
    read = item.run.config.tokens_read(item.run.tokens, item.result.steps)
    return min(item.run.tokens, read)


def metric_on_test(metric: str) -> str:
    """The name of `metric` on the test part, empty where it has none."""
    return metric.replace("validation", "test", 1) if "validation" in metric else ""


def _row(stored: StoredStudy, answer: Answer, name: str, runs: Sequence[StoredRun]) -> ArmRow:
    study = stored.study
    over = [item for item in runs if item.result]
    explore = [item for item in over if item.run.stage == Stage.EXPLORE]
    verdict = [item for item in over if item.run.stage == Stage.VERDICT]
    values = _values(explore)
    estimate = answer.verdict.estimates.get(name) if answer.verdict else None
    finalists = [item for item in answer.finalists if item.arm == name and item.confirmed]
    best = min if study.minimize else max
    searches = answer.searches.arms[name]
    return ArmRow(
        name=name,
        planned=searches.trials * answer.units,
        trials=sum(len(search.told) for search in searches.sub_searches),
        completed=sum(
            outcome is Outcome.COMPLETE
            for search in searches.sub_searches
            for outcome in search.outcomes.values()
        ),
        failures=_failures(over),
        explored=best(values) if values else None,
        mean=estimate.mean if estimate else None,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
        seeds=len(_values(verdict)),
        optimism=_optimism(finalists, study.minimize),
        test=_test(verdict, metric_on_test(study.metric)),
        seconds=searches.seconds,
        tokens=sum(map(tokens_spent, over)),
        flops=_flops(over),
    )


def _values(runs: Sequence[StoredRun]) -> list[float]:
    return [item.result.value for item in runs if item.result and item.result.value is not None]


def _failures(runs: Sequence[StoredRun]) -> dict[str, int]:
    found = Counter(
        item.result.outcome.value
        for item in runs
        if item.result and item.result.outcome is not Outcome.COMPLETE
    )
    return {kind.value: found[kind.value] for kind in Outcome if found[kind.value]}


def _optimism(finalists: Sequence[Finalist], minimize: bool) -> float | None:
    if not finalists:
        return None
    sign = 1 if minimize else -1
    gaps = [statistics.fmean(item.confirmed) - item.explored for item in finalists]
    return sign * statistics.fmean(gaps)


def _test(verdict: Sequence[StoredRun], metric: str) -> float | None:
    found = [
        item.result.metrics[metric]
        for item in verdict
        if item.result and item.result.value is not None and metric in item.result.metrics
    ]
    return statistics.fmean(found) if found else None


def _flops(runs: Sequence[StoredRun]) -> int | None:
    if any(not item.run.config.built_in for item in runs):
        return None
    return sum(tokens_spent(item) * flops_per_token(item.run.config) for item in runs)
