"""Learning-rate schedules: pure functions of (step, steps, values) giving a share of the peak.

Step 0 is the first of `steps` optimizer steps. Every schedule starts with a linear warmup over the
share `warmup` of the run, `warmed` = round(warmup * steps) steps: step s of them has the factor
(s + 1) / (warmed + 1), so that no step is wasted at a rate of zero. Decays run from the end of the
warmup and reach their end value one step after the last one, as nanoGPT's does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from selector.config.technique import Technique

Schedule = Callable[[int, int, Mapping[str, Any]], float]


def constant(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The peak, from the end of the warmup to the end of the run."""
    warmed = _warmed(steps, values)
    return _rise(step, warmed) if step < warmed else 1.0


def linear_to_zero(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """A straight line from the peak to zero (arXiv 2502.15938)."""
    warmed = _warmed(steps, values)
    return _rise(step, warmed) if step < warmed else 1.0 - (step - warmed) / (steps - warmed)


def cosine(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """Half a cosine from the peak to `floor`, a share of the peak (arXiv 1608.03983)."""
    warmed = _warmed(steps, values)
    if step < warmed:
        return _rise(step, warmed)
    done = (step - warmed) / (steps - warmed)
    floor = float(values["floor"])
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * done))


def warmup_stable_decay(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The peak, then a decay to zero over the last share `decay` of the run (arXiv 2404.06395).

    `shape` is `linear` or `one_minus_sqrt` (1 - sqrt(x); arXiv 2405.18392). A decay that would
    begin inside the warmup begins at its end.

    Raises:
        ValueError: another shape.
    """
    shape = values["shape"]
    if shape not in ("linear", "one_minus_sqrt"):
        raise ValueError(f"schedule.shape: expected linear or one_minus_sqrt, got {shape!r}")
    warmed = _warmed(steps, values)
    if step < warmed:
        return _rise(step, warmed)
    start = max(warmed, steps - round(values["decay"] * steps))
    if step < start:
        return 1.0
    done = (step - start) / (steps - start)
    return 1.0 - (done if shape == "linear" else math.sqrt(done))


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "linear_to_zero": linear_to_zero,
    "cosine": cosine,
    "warmup_stable_decay": warmup_stable_decay,
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
    warmup = min(1.0, _warmed(longer, schedule.values) / steps)
    return replace(schedule, values={**schedule.values, "warmup": warmup})


def shared_steps(schedule: Technique, steps: int, longer: int) -> int:
    """How many steps a run of `steps` steps and one of `longer` steps begin with alike.

    Both have one configuration but for the warmup of the shorter, which is `warmed_like` the
    longer one's; as data and dropout follow from the seed and the step, equal rates are all it
    takes.
    """
    short = factors(warmed_like(schedule, steps, longer), steps)
    pairs = zip(short, factors(schedule, longer), strict=False)
    return next((step for step, (ours, theirs) in enumerate(pairs) if ours != theirs), steps)


def _warmed(steps: int, values: Mapping[str, Any]) -> int:
    return round(float(values["warmup"]) * steps)


def _rise(step: int, warmed: int) -> float:
    return (step + 1) / (warmed + 1)
