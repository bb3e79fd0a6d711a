"""Where a stored study stands: a count of its runs, its best so far, and whether it runs now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from selector.study.answer import answer
from selector.study.stored import StoredStudy
from selector.track.lock import is_locked
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
    state: str
    """running, interrupted (it can go on), or complete."""
    arms: tuple[ArmStatus, ...]
    asked: int
    finished: int
    failed: int
    running: int
    best: dict[str, object] | None
    """{arm, trial, value} of the best explore run so far."""


def status(stored: StoredStudy) -> Status:
    """The status, from what is stored."""
    study, record = stored.study, stored.record
    runs = [item for item in record.runs() if item.trial]
    over = [item for item in runs if item.result]
    live = is_locked(stored.folder)
    sign = 1 if study.minimize else -1
    completed = [
        (sign * item.result.value, item.trial.arm, item.trial.number, item.result.value)
        for item in over
        if item.run.stage == Stage.EXPLORE
        and item.trial
        and item.result
        and item.result.value is not None
    ]
    best = min(completed, default=None)
    arms = []
    for arm in study.arms:
        own = [item.result for item in over if item.trial and item.trial.arm == arm.name]
        failures = Counter(
            str(result.outcome)
            for result in own
            if result and result.outcome is not Outcome.COMPLETE
        )
        values = [item[3] for item in completed if item[1] == arm.name]
        total = study.sub_searches * (study.trials_in(arm) + study.verdict_seeds)
        arms.append(
            ArmStatus(
                name=arm.name,
                finished=len(own),
                total=total,
                failures=dict(failures),
                best=min(values, key=lambda value: sign * value, default=None),
            )
        )
    complete = answer(study, record).complete
    return Status(
        study=study.name,
        state="running" if live else "complete" if complete else "interrupted",
        arms=tuple(arms),
        asked=len(runs),
        finished=len(over),
        failed=sum(sum(arm.failures.values()) for arm in arms),
        running=len(runs) - len(over) if live else 0,
        best=None if best is None else {"arm": best[1], "trial": best[2], "value": best[3]},
    )
