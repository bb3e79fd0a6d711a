"""Where a stored study stands: a count of its runs, its best so far, and whether it runs now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.study.by_hand import Halts, accepted
from selector.study.decisions import END, LIMIT
from selector.study.searches import Searches
from selector.study.stored import StoredStudy
from selector.track.lock import is_locked
from selector.track.record import Record, StoredRun
from selector.track.run import Outcome, Stage


@dataclass(frozen=True, kw_only=True)
class ArmStatus:
    """One arm's progress."""

    name: str
    finished: int
    total: int
    failures: dict[str, int]
    """Outcome -> runs that ended so."""
    best: float | None
    """Best value of an explore run so far."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """A study's progress."""

    study: str
    metric: str
    """What judges a run."""
    state: str
    """running, interrupted (it can go on), or complete."""
    arms: tuple[ArmStatus, ...]
    total: int
    """Runs that the budget asks for."""
    asked: int
    finished: int
    failed: int
    running: int
    best: dict[str, object] | None
    """{arm, trial, value} of the best explore run so far."""
    stopped: tuple[int, ...]
    """Trials of which somebody stopped a run."""
    paused: tuple[int, ...]
    """Trials of which a run waits for `selector resume`."""
    given: tuple[int, ...]
    """Trials whose values a person gave."""
    ended: str
    """Why it ended before everything had run; empty: it did not, or goes on, or was interrupted."""


def status(stored: StoredStudy) -> Status:
    """The status, from what is stored."""
    study, record = stored.study, stored.record
    searches = Searches(study, record)
    live = is_locked(stored.folder)
    state = "complete" if searches.complete else "interrupted"
    sign = 1 if study.minimize else -1
    completed = [
        (sign * item.result.value, item.trial.arm, item.trial.number, item.result.value)
        for item in record.runs(Stage.EXPLORE)
        if item.trial and item.result and item.result.value is not None
    ]
    best = min(completed, default=None)
    runs = [item for item in record.runs() if item.trial]
    rows = searches.progress()
    decisions = record.decisions()
    halts = Halts()
    for item in accepted(decisions):
        if "runs" in item:
            halts.take(item)
    return Status(
        study=study.name,
        metric=study.metric,
        state="running" if live else state,
        arms=tuple(ArmStatus(**row) for row in rows),
        total=searches.total,
        asked=len(runs),
        finished=searches.finished,
        failed=sum(sum(row["failures"].values()) for row in rows),
        running=sum(item.result is None and not halts.paused(item.run.key) for item in runs)
        if live
        else 0,
        best=None if best is None else {"arm": best[1], "trial": best[2], "value": best[3]},
        stopped=_numbers(runs, lambda item: _outcome(item) is Outcome.STOPPED),
        paused=_numbers(runs, lambda item: item.result is None and halts.paused(item.run.key)),
        given=tuple(sorted(n for n, trial in record.trials.items() if trial.given)),
        ended="" if live or searches.complete else why_ended(decisions, record),
    )


def why_ended(decisions: Sequence[Mapping[str, Any]], record: Record) -> str:
    """Why the study ended when it was run last; empty where more has run since, or nothing did."""
    ends = [item for item in decisions if item["decision"] in (LIMIT, END)]
    over = sum(item.result is not None for item in record.runs())
    if not ends or ends[-1].get("over") != over:
        return ""
    last = ends[-1]
    return str(last["text"] if last["decision"] == END else f"at its limit {last['limit']}")


def _outcome(item: StoredRun) -> Outcome | None:
    return item.result.outcome if item.result else None


def _numbers(runs: Iterable[StoredRun], of: Callable[[StoredRun], bool]) -> tuple[int, ...]:
    return tuple(sorted({item.trial.number for item in runs if item.trial and of(item)}))
