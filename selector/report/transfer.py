"""Do the best settings of a small or short training serve a larger or longer one?

For every two neighbouring rungs of a ladder: how alike their settings rank (Spearman's correlation
of the two fitted surfaces over the shared space), what the smaller one's best settings lose at the
larger (regret), and which best settings moved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from selector.config.technique import Value
from selector.report.ladder import Ladder, Rung, equal_flops
from selector.report.projection import Array
from selector.report.response import FEWEST_TRIALS, Response, places, respond
from selector.report.scaling import DRAWS, Quantity, quantity
from selector.space.dimension import Choices, Dimension, Interval

#: Places of the shared space at which surfaces are compared, by number of tuned keys.
_PLACES = {1: 161}
_MORE_PLACES = 500
# A best setting in this outermost share of the range may lie beyond it.
_EDGE = 0.025

Trials = Sequence[tuple[Mapping[str, Value], float | None]]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One tuned quantity's best value at two rungs."""

    key: str
    small: float
    large: float
    ratio: Quantity
    """large / small; an interval without 1: it does not carry over as it is."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What carries over from one rung to a larger or longer one."""

    small: str
    large: str
    axis: str
    """What differs: size, length, size and length, or size at equal compute."""
    rank: Quantity
    """Spearman's correlation of the settings' fitted values."""
    regret: Quantity
    """What the small one's best settings lose at the large one, in the metric."""
    moved: tuple[Moved, ...]


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best value of a tuned quantity at one rung."""

    arm: str
    size: int
    tokens: int
    value: Quantity
    error: float
    """Standard deviation of its logarithm."""
    edge: str
    """low or high where it may lie outside the range; else empty."""


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """The fitted surfaces of a ladder's rungs over the space they share."""

    space: Mapping[str, Dimension]
    points: Array
    """[points, keys] in the unit cube of the space."""
    responses: Mapping[str, Response]
    """By name of the arm."""
    reasons: tuple[str, ...]
    """Why there is none for some arms, in words."""


def shared_space(ladder: Ladder) -> dict[str, Dimension]:
    """What is tuned in all rungs: ranges cut to what they share, choices where they are equal."""
    spaces = [rung.arm.space.dimensions for rung in ladder.rungs]
    found: dict[str, Dimension] = {}
    for key, first in spaces[0].items():
        items = [space.get(key) for space in spaces]
        ranges = [item for item in items if isinstance(item, Interval)]
        if len(ranges) == len(items):
            low, high = max(item.low for item in ranges), min(item.high for item in ranges)
            if low < high:
                found[key] = Interval(low=low, high=high, log=all(item.log for item in ranges))
        elif isinstance(first, Choices) and all(item == first for item in items):
            found[key] = first
    return found


def surfaces(
    ladder: Ladder, trials: Mapping[str, Trials], *, minimize: bool, seed: int
) -> Surfaces:
    """The surface of every rung with enough trials; `trials` are those of each arm's search."""
    space = shared_space(ladder)
    points = places(_PLACES.get(len(space), _MORE_PLACES), max(1, len(space)))
    found: dict[str, Response] = {}
    reasons = []
    sign = 1 if minimize else -1
    enough = FEWEST_TRIALS * len(space)
    for place, rung in enumerate(ladder.rungs):
        own = [item for item in trials.get(rung.arm.name, ()) if set(space) <= set(item[0])]
        completed = sum(value is not None for _, value in own)
        if not space or completed < enough:
            what = "nothing is tuned in all rungs" if not space else ""
            count = f"{rung.arm.name}: {completed} trials completed, {enough} are needed"
            reasons.append(what or count)
            continue
        units = numpy.array(
            [[_unit(space[key], values[key]) for key in space] for values, _ in own]
        )
        values = [None if value is None else sign * value for _, value in own]
        found[rung.arm.name] = respond(units, values, points, draws=DRAWS, seed=seed + place)
    return Surfaces(
        space=space, points=points, responses=found, reasons=tuple(dict.fromkeys(reasons))
    )


def pairs(ladder: Ladder, fitted: Surfaces) -> tuple[Pair, ...]:
    """Neighbours in size at one length or compute, in length at one size, and the two ends."""
    rungs = [rung for rung in ladder.rungs if rung.arm.name in fitted.responses]
    found = {}
    for small in rungs:
        bigger = [item for item in rungs if item.size > small.size]
        larger = [item for item in bigger if item.tokens == small.tokens]
        dearer = [item for item in bigger if equal_flops(item.flops, small.flops)]
        longer = [item for item in rungs if item.tokens > small.tokens and item.size == small.size]
        for others in (larger, dearer, longer):
            if others:
                large = min(others, key=lambda item: (item.size, item.tokens))
                found[small.arm.name, large.arm.name] = (small, large)
    if rungs:
        first, last = rungs[0], rungs[-1]
        if (first.size, first.tokens) != (last.size, last.tokens):
            found[first.arm.name, last.arm.name] = (first, last)
    return tuple(_pair(small, large, fitted) for small, large in found.values())


def bests(ladder: Ladder, fitted: Surfaces, key: str) -> tuple[Best, ...]:
    """The best value of `key` at every rung with a surface."""
    item, place = fitted.space[key], list(fitted.space).index(key)
    found = []
    for rung in ladder.rungs:
        surface = fitted.responses.get(rung.arm.name)
        if surface is None:
            continue
        units = fitted.points[surface.draws.argmin(axis=1), place]
        logs = numpy.log([_number(item, unit) for unit in units])
        middle, low, high = numpy.quantile(logs, (0.5, 0.025, 0.975))
        share = float(fitted.points[surface.best, place])
        found.append(
            Best(
                arm=rung.arm.name,
                size=rung.size,
                tokens=rung.tokens,
                value=Quantity(value=math.exp(middle), low=math.exp(low), high=math.exp(high)),
                error=float(logs.std()),
                edge="low" if share <= _EDGE else "high" if share >= 1 - _EDGE else "",
            )
        )
    return tuple(found)


def _pair(small: Rung, large: Rung, fitted: Surfaces) -> Pair:
    first, second = fitted.responses[small.arm.name], fitted.responses[large.arm.name]
    if small.size == large.size:
        axis = "length"
    elif small.tokens == large.tokens:
        axis = "size"
    else:
        equal = equal_flops(small.flops, large.flops)
        axis = "size at equal compute" if equal else "size and length"
    lost = second.draws[:, first.best] - second.draws.min(axis=1)
    ranks = [
        _spearman(one, other)
        for one, other in zip(first.draws[:100], second.draws[:100], strict=True)
    ]
    return Pair(
        small=small.arm.name,
        large=large.arm.name,
        axis=axis,
        rank=quantity(_spearman(first.mean, second.mean), numpy.array(ranks)),
        regret=quantity(float(second.mean[first.best] - second.mean.min()), lost),
        moved=tuple(
            _moved(key, item, place, first, second, fitted.points)
            for place, (key, item) in enumerate(fitted.space.items())
            if isinstance(item, Interval) and item.log
        ),
    )


def _moved(
    key: str, item: Dimension, place: int, first: Response, second: Response, points: Array
) -> Moved:
    logs = [
        numpy.log([_number(item, unit) for unit in points[surface.draws.argmin(axis=1), place]])
        for surface in (first, second)
    ]
    small, large = (float(numpy.median(found)) for found in logs)
    ratio = quantity(large - small, logs[1] - logs[0])
    return Moved(
        key=key,
        small=math.exp(small),
        large=math.exp(large),
        ratio=Quantity(
            value=math.exp(ratio.value), low=math.exp(ratio.low), high=math.exp(ratio.high)
        ),
    )


def _spearman(first: Array, second: Array) -> float:
    ranks = numpy.stack([first, second]).argsort(axis=1).argsort(axis=1).astype(float)
    return float(numpy.corrcoef(ranks)[0, 1])


def _unit(item: Dimension, value: Value) -> float:
    """Where in its dimension a value lies, from 0 to 1; outside for a value beyond a cut range."""
    if isinstance(item, Choices):
        return item.values.index(value) / max(1, len(item.values) - 1)
    assert isinstance(value, int | float)
    low, high, number = float(item.low), float(item.high), float(value)
    if item.log:
        low, high, number = math.log(low), math.log(high), math.log(number)
    return (number - low) / (high - low)


def _number(item: Dimension, unit: float) -> float:
    return float(item.at(unit))
