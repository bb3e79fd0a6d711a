"""Schedules that rise more than once, or in a shape of their own.

Pure functions of (step, steps, values) as in `falls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector.train.schedule.falls import between, half_cosine
from selector.train.schedule.warmup import rise, warmed_steps

_ROUNDING = 1e-9  # of a cycle: a restart that rounding missed would be a step at the floor


def cosine_restarts(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """`cycles` half cosines, each from the peak to `floor` (SGDR, arXiv 1608.03983).

    Each lasts `stretch` times as long as the one before; all together last from the end of the
    warmup to the end of the run.
    """
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    lengths = [float(values["stretch"]) ** cycle for cycle in range(int(values["cycles"]))]
    left = (step - warmed) * sum(lengths) / (steps - warmed)  # in lengths of the first cycle
    for length in lengths:
        if left < length - _ROUNDING:
            break
        left -= length
    return between(values["floor"], half_cosine(max(0.0, left) / length))


def one_cycle(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """From `start` up to the peak, then down to `final`: shares of the peak (arXiv 1708.07120).

    The rise is the warmup. `anneal` is `cosine` or `linear`, for both ways. The first step has the
    rate `start`. Momentum is not cycled.
    """
    warmed, start = warmed_steps(steps, values), float(values["start"])
    if step < warmed:
        return between(start, 1.0 - _annealed(step / warmed, values["anneal"]))
    done = (step - warmed) / (steps - warmed)
    return between(values["final"], _annealed(done, values["anneal"]))


def cyclic(step: int, steps: int, values: Mapping[str, Any]) -> float:
    """A zigzag of `cycles` rises and falls between `floor` and the peak (arXiv 1506.01186).

    The warmup is the first rise; then falls and rises, all equally long, take turns, and the run
    ends with a fall. Each cycle is `gamma` times as high as the one before it.
    """
    warmed = warmed_steps(steps, values)
    if step < warmed:
        return rise(step, warmed)
    cycles = int(values["cycles"])
    turns = (step - warmed) * (2 * cycles - 1) / (steps - warmed)  # falls and rises done
    turn = min(int(turns), 2 * cycles - 2)
    falling, part = turn % 2 == 0, turns - turn
    height = 1.0 - part if falling else part
    return between(values["floor"], height * float(values["gamma"]) ** ((turn + 1) // 2))


def _annealed(done: float, anneal: str) -> float:
    """From 1 down to 0.

    Raises:
        ValueError: another way than cosine or linear.
    """
    if anneal not in ("cosine", "linear"):
        raise ValueError(f"schedule.anneal: expected cosine or linear, got {anneal!r}")
    return half_cosine(done) if anneal == "cosine" else 1.0 - done
