"""Whether the search had a chance: edges of ranges, numbers of trials, rates, rungs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from selector.config.algorithms import finds_its_rate
from selector.config.limits import LIMITS
from selector.report.digits import number, setting
from selector.report.health.evidence import Evidence, Finding
from selector.report.health.remedy import again, go_on, scoped
from selector.report.method import rung_agreement
from selector.space.interval import Interval
from selector.study.extension import shared_edges

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
_MOST_EXTENSIONS = int(LIMITS["extensions"][1])


def best_at_edge(evidence: Evidence) -> Iterator[Finding]:
    """At least half of an arm's best settings lie at one end of a range."""
    study = evidence.study
    extended = study.budget.extensions
    # Going on lets the study extend the range of this arm alone; a grid's points stay as named.
    more = 0 if study.sampler.name == "grid" or extended >= _MOST_EXTENSIONS else extended + 1
    for found in evidence.arms:
        for (key, side), count in shared_edges([one.edges for one in found.finalists]).items():
            item = found.search.space.dimensions[key]
            wider = item.widened(side, key) if isinstance(item, Interval) else None
            if wider is None or not isinstance(item, Interval):
                continue
            low, high = (setting(float(end)) for end in (item.low, item.high))
            yield Finding(
                check="best at an edge",
                arm=found.name,
                text=f"{count} of {len(found.finalists)} best settings lie at the {side} end of the"
                f" range of {key} ({low} to {high}): the best may lie outside",
                remedy=go_on(study, f"budget.extensions={more}") if more else "",
            )


def too_few_trials(evidence: Evidence) -> Iterator[Finding]:
    """A sub-search completed fewer trials than its number of tuned keys asks for."""
    study = evidence.study
    if study.sampler.name == "grid":
        return
    for found in evidence.arms:
        dimensions, units = len(found.arm.space.dimensions), evidence.answer.units
        enough = _ENOUGH_TRIALS.get(dimensions, _ENOUGH_FOR_MORE) if dimensions else 0
        each = sum(map(len, found.values())) / units
        pending = found.search.trials - len(found.trials) / units
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
        searches = [values for values in found.values() if len(values) >= _FEWEST_FOR_GOOD]
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
        keys = {*arm.space.dimensions, *arm.compared}
        tuned = key in keys or (
            finds_its_rate(arm.config.optimizer.name, arm.config.optimizer.values)
            and any(other.startswith("optimizer.") for other in keys)
        )
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
    """Short runs order trials otherwise than whole ones: their rank correlation is below .5.

    Only promoted trials have both, which lowers it (a true .85 shows as .66, a true .7 as .51:
    simulated with 5 of 16 promoted and one at random), so it must be lower by a standard error.
    """
    found = rung_agreement(evidence.answer.searches) if evidence.study.rungs else None
    if found is None or found.pairs < _FEWEST_PAIRS:
        return
    if found.correlation + 1 / math.sqrt(found.pairs) < _MISLEADING:
        yield Finding(
            check="rungs mislead",
            arm="",
            text=f"the orders of {found.pairs} trials after a third of their length and after all"
            f" of it hardly agree (rank correlation {number(found.correlation, 2)}): good trials"
            " may have been dropped",
            remedy=again(evidence.study, ["budget.rungs=never"], "whole"),
        )


def _good(values: Sequence[float], near: float, minimize: bool) -> int:
    best = min(values) if minimize else max(values)
    return sum(abs(value - best) <= near for value in values)
