"""Schedules that rise once and then stay or fall.

Each is a pure function of (step, steps, values) giving a share of the peak. Step 0 is the first of
`steps` optimizer steps; see `warmup` for the beginning. `done` is how much of the fall is over: 0
at the peak, and 1 one step after the run's last one, as in nanoGPT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from selector.train.schedule.warmup import rise, warmed_steps


def constant(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The peak, from the end of the warmup to the end of the run."""
    warmed = warmed_steps(steps, values)
    return rise(step, warmed) if step < warmed else 1.0


def linear_to_zero(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """A straight line from the peak to zero (arXiv 2502.15938)."""
    warmed = warmed_steps(steps, values)
    return rise(step, warmed) if step < warmed else 1.0 - _done(step, warmed, steps)


def cosine(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """Half a cosine from the peak to `floor`, a share of the peak (arXiv 1608.03983)."""
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    return between(values["floor"], half_cosine(_done(step, warmed, steps)))


def warmup_stable_decay(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The peak, then a decay to `floor` over the last share `decay` of the run (arXiv 2404.06395).

    `shape` is `linear` or `one_minus_sqrt` (1 - sqrt(x); arXiv 2405.18392). A decay that would
    begin inside the warmup begins at its end.

    Raises:
        ValueError: another shape.
    """
    shape = values["shape"]
    if shape not in ("linear", "one_minus_sqrt"):
        raise ValueError(f"schedule.shape: expected linear or one_minus_sqrt, got {shape!r}")
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    start = max(warmed, steps - round(values["decay"] * steps))
    if step < start:
        return 1.0
    done = _done(step, start, steps)
    return between(values["floor"], 1.0 - (done if shape == "linear" else math.sqrt(done)))


def inverse_sqrt(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The peak times sqrt(time of the peak / time), time counted in steps (arXiv 1706.03762).

    The longer the warmup, the slower the fall; what a step's rate is does not depend on how many
    follow it.
    """
    warmed = warmed_steps(steps, values)
    return rise(step, warmed) if step < warmed else math.sqrt((warmed + 1) / (step + 1))


def exponential(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The same share is lost in every step, so that `final`, a share of the peak, is left."""
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    return math.pow(float(values["final"]), _done(step, warmed, steps))


def stepwise(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """The peak, times `gamma` at each of `milestones`, which are shares of the run."""
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    passed = sum(step >= round(share * steps) for share in values["milestones"])
    return math.pow(float(values["gamma"]), passed)


def polynomial(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """What is left of the run to the power `power`, from the peak to `floor` (arXiv 1506.04579)."""
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    return between(
        values["floor"], math.pow(1.0 - _done(step, warmed, steps), float(values["power"]))
    )


def between(floor: float, height: float) -> float:
    """The share `height` of the way from `floor` up to the peak."""
    return float(floor) + (1.0 - float(floor)) * height


def half_cosine(done: float) -> float:
    """From 1 down to 0 along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


def _done(step: int, start: int, steps: int) -> float:
    return (step - start) / (steps - start)
