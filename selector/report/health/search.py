"""Whether the search had a chance: edges of ranges, numbers of trials, rates, rungs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from selector.report.digits import number, setting
from selector.report.health.evidence import Evidence, Finding, value_of
from selector.report.health.remedy import again, go_on, scoped, widened
from selector.space.dimension import Interval
from selector.study.answer import shared_edges
from selector.track.run import Stage

# Completed trials in a sub-search that make its best more than luck, by number of tuned keys: the
# small budget's 8 serve one key, the medium one's 16 two, and a quarter may fail.
_ENOUGH_TRIALS = {1: 6, 2: 12}
_ENOUGH_FOR_MORE = 20
# A trial is good within so many margins of practical equality (.05 nats) of its sub-search's best:
# the rate may then be off by a factor of about two (TECHNIQUES: half the rate costs .01 to .02).
_GOOD_MARGINS = 5
_FEWEST_FOR_GOOD = 4
# Between complete trainings whose lengths differ threefold, ranks correlate with .81 to .93.
_MISLEADING = 0.5
_FEWEST_PAIRS = 12


def best_at_edge(evidence: Evidence) -> Iterator[Finding]:
    """At least half of an arm's best settings lie at one end of a range."""
    study = evidence.study
    for found in evidence.arms:
        for (key, side), count in shared_edges(found.finalists).items():
            item = found.arm.space.dimensions[key]
            wider = widened(key, item, side) if isinstance(item, Interval) else None
            if wider is None or not isinstance(item, Interval):
                continue
            low, high = (setting(float(end)) for end in (item.low, item.high))
            yield Finding(
                check="best at an edge",
                arm=found.name,
                text=f"{count} of {len(found.finalists)} best settings lie at the {side} end of the"
                f" range of {key} ({low} to {high}): the best may lie outside",
                remedy=again(study, [*scoped(study, found.arm, key), f"{key}={wider}"], "wider"),
            )


def too_few_trials(evidence: Evidence) -> Iterator[Finding]:
    """A sub-search completed fewer trials than its number of tuned keys asks for."""
    study = evidence.study
    if study.sampler.name == "grid":
        return
    for found in evidence.arms:
        dimensions, row = len(found.arm.space.dimensions), found.row
        enough = _ENOUGH_TRIALS.get(dimensions, _ENOUGH_FOR_MORE) if dimensions else 0
        each = row.completed / study.sub_searches
        pending = (row.planned - row.trials) / study.sub_searches
        if each + pending >= enough:
            continue
        trials = max(enough, study.budget.trials + math.ceil(enough - each))
        yield Finding(
            check="too few trials",
            arm=found.name,
            text=f"{setting(each)} trials completed in each sub-search; with {dimensions} tuned"
            f" {'key' if dimensions == 1 else 'keys'}, fewer than {enough} are mostly luck",
            remedy=go_on(study, f"budget.trials={trials}"),
        )


def few_good_trials(evidence: Evidence) -> Iterator[Finding]:
    """In most sub-searches no second trial comes near the best: it was a lucky hit."""
    study = evidence.study
    if study.sampler.name == "grid" or evidence.margin is None:
        return
    near = _GOOD_MARGINS * evidence.margin
    for found in evidence.arms:
        searches = [
            [value for item in runs if (value := value_of(item)) is not None]
            for runs in found.by_sub_search(Stage.EXPLORE).values()
            if len(runs) >= _FEWEST_FOR_GOOD
        ]
        lonely = [values for values in searches if _good(values, near, study.minimize) == 1]
        if not searches or 2 * len(lonely) <= len(searches):
            continue
        yield Finding(
            check="too few good trials",
            arm=found.name,
            text=f"in {len(lonely)} of {len(searches)} sub-searches no second trial came within"
            f" {number(near, 3)} of the best in {study.metric}: the best settings are a narrow"
            " target that a larger search hits more surely",
            remedy=go_on(study, f"budget.trials={2 * study.budget.trials}"),
        )


def untuned_rate(evidence: Evidence) -> Iterator[Finding]:
    """The learning rate was not tuned: an arm may lose at somebody else's rate."""
    key, study = "optimizer.lr", evidence.study
    for found in evidence.arms:
        arm = found.arm
        rate = arm.config.optimizer.values.get("lr")
        tuned = key in arm.space.dimensions or key in arm.compared
        if tuned or not isinstance(rate, int | float) or not arm.config.built_in:
            continue
        wider = f"tag(log,interval({setting(rate / 10.0)},{setting(rate * 10.0)}))"
        yield Finding(
            check="learning rate not tuned",
            arm=arm.name,
            text=f"it ran at a learning rate of {setting(float(rate))} only, which may suit"
            " another arm better",
            remedy=again(study, [*scoped(study, arm, key), f"{key}={wider}"], "tuned"),
        )


def rungs_mislead(evidence: Evidence) -> Iterator[Finding]:
    """Short runs order trials otherwise than whole ones: the rank correlation is below .5.

    Spearman's correlation of a trial's value on the rung with its value in the whole run, a mean
    over sub-searches. Only promoted trials have both, which lowers it (a true .85 shows as .66, a
    true .7 as .51: simulated with 5 of 16 promoted and one at random), so it must be below by one
    standard error.
    """
    study = evidence.study
    for found in evidence.arms:
        rungs = {
            item.trial.number: value
            for item in found.stages.get(Stage.RUNG1, ())
            if item.trial and (value := value_of(item)) is not None
        }
        parts: list[tuple[float, int]] = []
        for runs in found.by_sub_search(Stage.EXPLORE).values():
            pairs = [
                (rungs[item.trial.number], value)
                for item in runs
                if item.trial
                and item.trial.number in rungs
                and (value := value_of(item)) is not None
            ]
            rank = spearman(pairs)
            if rank is not None:
                parts.append((rank, len(pairs)))
        count = sum(size for _, size in parts)
        if count < _FEWEST_PAIRS:
            continue
        weight = sum(size - 1 for _, size in parts)
        mean = sum(rank * (size - 1) for rank, size in parts) / weight
        if mean + 1 / math.sqrt(weight) >= _MISLEADING:
            continue
        yield Finding(
            check="rungs mislead",
            arm=found.name,
            text=f"the order of {count} trials after a third of their length and after all of it"
            f" hardly agree (rank correlation {number(mean, 2)}): good ones may have been dropped",
            remedy=again(study, ["budget.rungs=never"], "whole"),
        )


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None of a constant or under 3 pairs."""
    first, second = (_ranks([pair[place] for pair in pairs]) for place in (0, 1))
    if len(pairs) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return statistics.correlation(first, second)


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2
        for value in values
    ]


def _good(values: Sequence[float], near: float, minimize: bool) -> int:
    best = min(values) if minimize else max(values)
    return sum(abs(value - best) <= near for value in values)
