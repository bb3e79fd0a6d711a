"""From the searches to the answer: finalists, evidence, verdict, and the trial to recommend.

A pure function of what is stored, so that the loop, `status`, `report` and `rerun` agree.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from selector.study.extension import shared_edges
from selector.study.searches import ArmSearch, Searches
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.verdict import Evidence, Verdict, decide, look_level, margin_of
from selector.track.record import Record, StoredRun
from selector.track.run import Outcome, Stage, Trial

#: Outcomes that say something about a configuration; the others say something about a program.
_SAYS_SOMETHING = {
    Outcome.COMPLETE,
    Outcome.DIVERGED,
    Outcome.OUT_OF_MEMORY,
    Outcome.TIMEOUT,
}


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """The best trial of one sub-search, and what fresh seeds said of it."""

    arm: str
    sub_search: int
    trial: Trial
    explored: float
    """Its value in the search, optimistic because it was chosen for it."""
    screened: float | None
    """Its value on the screening seed; None where it was not screened."""
    confirmed: tuple[float, ...]
    """Its values on the verdict seeds that completed."""
    failures: tuple[str, ...]
    """How its other verdict runs ended: outcomes, or `infeasible`."""
    edges: Mapping[str, str]
    """Where the best may lie outside the range: dotted key -> 'low' or 'high'."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a study knows so far."""

    finalists: tuple[Finalist, ...]
    verdict: Verdict | None
    recommended: Trial | None
    complete: bool
    """Whether every run that the budget asks for is over."""
    units: int
    """Sub-searches in each arm."""
    level: float
    """Two-sided level at which the verdict was taken."""
    searches: Searches
    """Where every search stands."""


def answer(study: Study, record: Record, searches: Searches | None = None) -> Answer:
    """The answer that the stored runs give; `searches`, where known, are those of the record."""
    searches = searches or Searches(study, record)
    finalists = tuple(
        found
        for arm in searches.arms.values()
        for search, edges in zip(arm.sub_searches, arm.edges(), strict=True)
        if (found := find_finalist(searches, search, edges)) is not None
    )
    level = look_level(searches.units, study.looks)
    verdict = _verdict(study, searches, finalists, level)
    recommended = None
    if verdict is not None:
        recommended = _recommended(study, finalists, verdict.recommended)
    return Answer(
        finalists=finalists,
        verdict=verdict,
        recommended=recommended,
        complete=searches.complete,
        units=searches.units,
        level=level,
        searches=searches,
    )


def first_run(record: Record, trial: Trial) -> StoredRun | None:
    """The run of a trial that a rerun repeats: its first completed verdict run, else any."""
    own = [
        item
        for item in record.runs()
        if item.trial and item.trial.number == trial.number and item.result
    ]
    verdicts = [
        item
        for item in own
        if item.run.stage == Stage.VERDICT and item.result and item.result.value is not None
    ]
    return next(iter(verdicts or sorted(own, key=lambda item: -item.run.tokens)), None)


def find_finalist(
    searches: Searches, search: SubSearch, edges: Mapping[str, str]
) -> Finalist | None:
    """The sub-search's best trial so far; None where none completed."""
    trial = search.leader()
    if trial is None:
        return None
    values: list[float] = []
    failures: list[str] = []
    for result in search.confirmed(trial).values():
        if result.value is None:
            failures.append(result.outcome.value)
        elif searches.violation(searches.run(trial, Stage.VERDICT), result) > 0:
            failures.append("infeasible")
        else:
            values.append(result.value)
    return Finalist(
        arm=search.arm.name,
        sub_search=search.number,
        trial=trial,
        explored=search.values[trial.index],
        screened=search.screens.get(trial.index),
        confirmed=tuple(values),
        failures=tuple(failures),
        edges=edges,
    )


def _verdict(
    study: Study, searches: Searches, finalists: tuple[Finalist, ...], level: float
) -> Verdict | None:
    by_seed = searches.units == 1
    evidence = {
        arm.name: _evidence(study, arm, finalists, by_seed) for arm in searches.arms.values()
    }
    first = next((arm.values for arm in evidence.values() if arm.values), None)
    if first is None:
        return None
    margin = margin_of(
        statistics.fmean(first), absolute=study.margin.absolute, share=study.margin.share
    )
    return decide(
        evidence,
        minimize=study.minimize,
        margin=margin,
        unit="seed" if by_seed else "sub-search",
        level=level,
    )


def _evidence(
    study: Study, arm: ArmSearch, finalists: tuple[Finalist, ...], by_seed: bool
) -> Evidence:
    own = [finalist for finalist in finalists if finalist.arm == arm.name]
    if by_seed:
        values = own[0].confirmed if own else ()
    else:
        values = tuple(statistics.fmean(item.confirmed) for item in own if item.confirmed)
    return Evidence(
        values=values,
        cost=math.inf if arm.seconds is None else arm.seconds,
        barred=_barred(arm, own),
        failed=not values and _nothing_trains(study, arm, own),
        edge=_edge(own),
    )


def _barred(arm: ArmSearch, own: list[Finalist]) -> str:
    """Why an arm cannot win; empty where it can."""
    failures = Counter(kind for item in own for kind in item.failures)
    if failures:
        text = ", ".join(f"{count} {name}" for name, count in failures.items())
        return f"not every verdict run completed ({text})"
    empty = [search for search in arm.sub_searches if search.tried and not search.values]
    if own and empty:
        return f"{len(empty)} of {len(arm.sub_searches)} sub-searches found nothing that trains"
    return ""


def _nothing_trains(study: Study, arm: ArmSearch, own: list[Finalist]) -> bool:
    """Whether the whole budget of an arm is spent and none of its configurations trains."""
    finalists = {finalist.sub_search: finalist for finalist in own}
    fails = {outcome.value for outcome in _SAYS_SOMETHING} | {"infeasible"}
    for search in arm.sub_searches:
        if not search.tried or not set(search.outcomes.values()) <= _SAYS_SOMETHING:
            return False
        finalist = finalists.get(search.number)
        if finalist and (
            len(finalist.failures) < study.verdict_seeds or not set(finalist.failures) <= fails
        ):
            return False
    return True


def _edge(finalists: list[Finalist]) -> str:
    """Where an arm's best settings sit at one end of a range, in words; empty: nowhere."""
    for (key, side), count in shared_edges([item.edges for item in finalists]).items():
        return (
            f"{count} of {len(finalists)} best settings lie at the {side} end of the range of {key}"
        )
    return ""


def _recommended(study: Study, finalists: tuple[Finalist, ...], arm: str) -> Trial | None:
    own = [item for item in finalists if item.arm == arm and item.confirmed]
    if not own:
        return None
    sign = 1 if study.minimize else -1
    # One that diverged on a seed comes after all that did not, however good its other seeds.
    best = min(own, key=lambda item: (len(item.failures), sign * statistics.fmean(item.confirmed)))
    return best.trial
