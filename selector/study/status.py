"""Where a stored study stands: a count of its runs, its best so far, and whether it runs now."""

from __future__ import annotations

from dataclasses import dataclass

from selector.study.searches import Searches
from selector.study.stored import StoredStudy
from selector.track.lock import is_locked
from selector.track.run import Stage


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
    return Status(
        study=study.name,
        metric=study.metric,
        state="running" if live else state,
        arms=tuple(ArmStatus(**row) for row in rows),
        total=searches.total,
        asked=len(runs),
        finished=searches.finished,
        failed=sum(sum(row["failures"].values()) for row in rows),
        running=sum(item.result is None for item in runs) if live else 0,
        best=None if best is None else {"arm": best[1], "trial": best[2], "value": best[3]},
    )
