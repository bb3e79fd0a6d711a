"""Learning-rate schedules: each step's rate as a share of the peak. No torch here.

A run's factors are known before it begins, but for `reduce_on_plateau`: see `plateau`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from selector.config.schedule import REACTS
from selector.config.technique import Technique
from selector.train.schedule.cycles import cosine_restarts, cyclic, one_cycle
from selector.train.schedule.falls import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    linear_to_zero,
    polynomial,
    stepwise,
    warmup_stable_decay,
)
from selector.train.schedule.warmup import warmed_steps

__all__ = ["REACTS", "SCHEDULES", "Schedule", "factors", "shared_steps", "warmed_like"]

Schedule = Callable[[int, int, Mapping[str, Any]], float]

SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "linear_to_zero": linear_to_zero,
    "cosine": cosine,
    "warmup_stable_decay": warmup_stable_decay,
    "inverse_sqrt": inverse_sqrt,
    "exponential": exponential,
    "step": stepwise,
    "polynomial": polynomial,
    "cosine_restarts": cosine_restarts,
    "one_cycle": one_cycle,
    "cyclic": cyclic,
    REACTS: constant,
}


def factors(schedule: Technique, steps: int) -> list[float]:
    """The factor of every step of a run of `steps` steps."""
    factor = SCHEDULES[schedule.name]
    return [factor(step, steps, schedule.values) for step in range(steps)]


def warmed_like(schedule: Technique, steps: int, longer: int) -> Technique:
    """The schedule with which a run of `steps` steps warms up like one of `longer` steps.

    The share `warmup` is of each run's own length; here it becomes the longer one's steps, or the
    whole of the shorter run where that is less.
    """
    warmup = min(1.0, warmed_steps(longer, schedule.values) / steps)
    return replace(schedule, values={**schedule.values, "warmup": warmup})


def shared_steps(schedule: Technique, steps: int, longer: int) -> int:
    """How many steps a run of `steps` steps and one of `longer` steps begin with alike.

    Both have one configuration but for the warmup of the shorter, which is `warmed_like` the
    longer one's; as data and dropout follow from the seed and the step, equal rates are all it
    takes. 0 for a schedule that reacts: evaluations lie at other steps of another length.
    """
    if schedule.name == REACTS:
        return 0
    short = factors(warmed_like(schedule, steps, longer), steps)
    pairs = zip(short, factors(schedule, longer), strict=False)
    return next((step for step, (ours, theirs) in enumerate(pairs) if ours != theirs), steps)
