"""From the record to the answer: finalists, evidence, verdict, and the trial to recommend.

A pure function of what is stored, so that the loop, `status`, `report` and `rerun` agree.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selector.study.study import Arm, Study
from selector.study.verdict import Evidence, Verdict, decide, margin_of
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
    confirmed: tuple[float, ...]
    """Its values on the verdict seeds that completed."""
    failures: tuple[Outcome, ...]
    """How its other verdict runs ended."""
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


def answer(study: Study, record: Record) -> Answer:
    """The answer that the stored runs give."""
    finalists = tuple(
        finalist
        for arm in study.arms
        for sub_search in range(study.sub_searches)
        if (finalist := find_finalist(study, record, arm.name, sub_search)) is not None
    )
    verdict = _verdict(study, record, finalists)
    recommended = None
    if verdict is not None:
        recommended = _recommended(study, finalists, verdict.recommended)
    return Answer(
        finalists=finalists,
        verdict=verdict,
        recommended=recommended,
        complete=is_complete(study, record),
    )


def explored(record: Record, arm: str, sub_search: int) -> list[StoredRun]:
    """The explore runs of one sub-search, by index of their trials."""
    found = [
        stored
        for stored in record.runs(Stage.EXPLORE)
        if stored.trial and (stored.trial.arm, stored.trial.sub_search) == (arm, sub_search)
    ]
    return sorted(found, key=lambda stored: stored.trial.index if stored.trial else 0)


def first_run(record: Record, trial: Trial) -> StoredRun | None:
    """The run of a trial that a rerun repeats: its first completed verdict run, else any run."""
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
    return next(iter(verdicts or own), None)


def find_finalist(study: Study, record: Record, arm: str, sub_search: int) -> Finalist | None:
    """The sub-search's best completed trial so far; None where none completed."""
    over_all = [stored for stored in explored(record, arm, sub_search) if stored.result]
    tried = [stored.trial for stored in over_all if stored.trial]
    runs = [stored for stored in over_all if stored.result and stored.result.value is not None]
    if not runs:
        return None
    sign = 1 if study.minimize else -1
    best = min(runs, key=lambda stored: sign * stored.result.value)  # type: ignore[union-attr,operator]
    trial = best.trial
    assert trial is not None
    assert best.result is not None
    assert best.result.value is not None
    over = [
        stored.result
        for stored in record.runs(Stage.VERDICT)
        if stored.trial and stored.trial.number == trial.number and stored.result
    ]
    return Finalist(
        arm=arm,
        sub_search=sub_search,
        trial=trial,
        explored=best.result.value,
        confirmed=tuple(result.value for result in over if result.value is not None),
        failures=tuple(result.outcome for result in over if result.value is None),
        edges=study.arm(arm).space.edges(trial.values, [item.values for item in tried]),
    )


def is_complete(study: Study, record: Record) -> bool:
    """Whether every explore run, and every verdict run of every finalist, is over."""
    for arm in study.arms:
        for sub_search in range(study.sub_searches):
            runs = explored(record, arm.name, sub_search)
            over = [stored for stored in runs if stored.result]
            if len(over) < study.trials_in(arm):
                return False
            finalist = find_finalist(study, record, arm.name, sub_search)
            if finalist is not None:
                seen = len(finalist.confirmed) + len(finalist.failures)
                if seen < study.verdict_seeds:
                    return False
    return True


def _verdict(study: Study, record: Record, finalists: tuple[Finalist, ...]) -> Verdict | None:
    by_seed = study.sub_searches == 1
    evidence = {arm.name: _evidence(study, record, arm, finalists, by_seed) for arm in study.arms}
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
    )


def _evidence(
    study: Study, record: Record, arm: Arm, finalists: tuple[Finalist, ...], by_seed: bool
) -> Evidence:
    own = [finalist for finalist in finalists if finalist.arm == arm.name]
    if by_seed:
        values = own[0].confirmed if own else ()
    else:
        values = tuple(statistics.fmean(item.confirmed) for item in own if item.confirmed)
    failures = Counter(outcome.value for item in own for outcome in item.failures)
    barred = ""
    if failures:
        text = ", ".join(f"{count} {name}" for name, count in failures.items())
        barred = f"not every verdict run completed ({text})"
    else:
        found = {finalist.sub_search for finalist in own}
        empty = [
            sub_search
            for sub_search in range(study.sub_searches)
            if sub_search not in found
            and len(_explored_outcomes(record, arm, sub_search)) >= study.trials_in(arm)
        ]
        if own and empty:
            barred = f"{len(empty)} of {study.sub_searches} sub-searches found nothing that trains"
    seconds = [
        stored.result.seconds
        for stored in record.runs()
        if stored.trial
        and stored.trial.arm == arm.name
        and stored.result
        and stored.result.outcome is Outcome.COMPLETE
    ]
    return Evidence(
        values=values,
        cost=statistics.median(seconds) if seconds else math.inf,
        barred=barred,
        failed=not values and _nothing_trains(study, record, arm, own),
        edge=_edge(own),
    )


def _nothing_trains(study: Study, record: Record, arm: Arm, own: list[Finalist]) -> bool:
    """Whether the whole budget of an arm is spent and none of its configurations trains."""
    finalists = {finalist.sub_search: finalist for finalist in own}
    for sub_search in range(study.sub_searches):
        outcomes = _explored_outcomes(record, arm, sub_search)
        if len(outcomes) < study.trials_in(arm) or not set(outcomes) <= _SAYS_SOMETHING:
            return False
        finalist = finalists.get(sub_search)
        if finalist and (
            len(finalist.failures) < study.verdict_seeds
            or not set(finalist.failures) <= _SAYS_SOMETHING
        ):
            return False
    return True


def _explored_outcomes(record: Record, arm: Arm, sub_search: int) -> list[Outcome]:
    runs = explored(record, arm.name, sub_search)
    return [stored.result.outcome for stored in runs if stored.result]


def shared_edges(finalists: Sequence[Finalist]) -> dict[tuple[str, str], int]:
    """Edges that at least half of an arm's finalists share: (dotted key, side) -> how many."""
    sides = Counter(place for finalist in finalists for place in finalist.edges.items())
    return {place: count for place, count in sides.items() if 2 * count >= len(finalists)}


def _edge(finalists: list[Finalist]) -> str:
    """Where an arm's best settings sit at one end of a range, in words; empty: nowhere."""
    for (key, side), count in shared_edges(finalists).items():
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
