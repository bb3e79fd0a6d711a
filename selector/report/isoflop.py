"""Equal compute: the size with the smallest loss at each budget, and how it grows with compute.

At each budget the loss over log N has a valley. With five sizes or more its floor is that of an
Akima interpolation of log loss, as Porian et al. take it (arXiv 2406.19146): valleys are lopsided,
and on their runs a parabola moves the exponents by up to .04. With fewer sizes it is that of the
parabola (arXiv 2203.15556, approach 2) through the three sizes around the best. A valley whose best
size is the smallest or the largest tried has no floor and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from selector.report.projection import Array
from selector.report.scaling import DRAWS, Quantity, Refused

_ENOUGH_TO_INTERPOLATE = 5
_STEPS = 25  # of the interpolation between two sizes
FEWEST_SIZES = 3
_FEWEST_BUDGETS = 3


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Runs of different sizes at one amount of compute."""

    flops: float
    sizes: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Valley:
    """Where the loss is smallest at one budget."""

    flops: float
    size: Quantity


@dataclass(frozen=True, kw_only=True)
class Growth:
    """N* = exp(level) * C^exponent, over the valleys."""

    exponent: Quantity
    level: float
    valleys: tuple[Valley, ...]

    def size(self, flops: float) -> float:
        """The recommended size at a budget."""
        return math.exp(self.level + self.exponent.value * math.log(flops))


def valleys(
    budgets: Sequence[Budget], *, noise: float, seed: int = 0, draws: int = DRAWS
) -> tuple[Valley, ...]:
    """The budgets whose valley has a floor, with its size.

    Args:
        budgets: at each, at least three sizes; others are left out.
        noise: standard deviation of a loss, for the intervals.
        seed: of the draws.
        draws: how often noise is added anew. A budget where half of these have no floor is left
            out.
    """
    random = numpy.random.default_rng(seed)
    found = []
    for budget in budgets:
        order = numpy.argsort(budget.sizes)
        sizes = numpy.log(numpy.asarray(budget.sizes, dtype=float)[order])
        losses = numpy.asarray(budget.losses, dtype=float)[order]
        if len(set(sizes.tolist())) < max(FEWEST_SIZES, len(sizes)):
            continue
        centre = floor_of(sizes, losses)
        drawn = [
            place
            for shift in noise * random.standard_normal((draws, len(losses)))
            if (place := floor_of(sizes, losses + shift)) is not None
        ]
        if centre is None or 2 * len(drawn) < draws:
            continue
        low, high = numpy.quantile(drawn, (0.025, 0.975))
        size = Quantity(
            value=math.exp(centre),
            low=math.exp(min(low, centre)),
            high=math.exp(max(high, centre)),
        )
        found.append(Valley(flops=budget.flops, size=size))
    return tuple(found)


def growth(found: Sequence[Valley], *, seed: int = 0, draws: int = DRAWS) -> Growth | Refused:
    """How the best size grows with compute: a line through log N* over log C.

    The interval is a bootstrap's: around the line, each valley moves by its own uncertainty or by
    the scatter of the valleys around the line, whichever is larger.
    """
    if len(found) < _FEWEST_BUDGETS:
        return Refused(
            reason=f"at least {_FEWEST_BUDGETS} budgets are needed at which a size between the"
            f" smallest and the largest is best; there {'is' if len(found) == 1 else 'are'}"
            f" {len(found)}"
        )
    x = numpy.log([item.flops for item in found])
    y = numpy.log([item.size.value for item in found])
    slope, level = numpy.polyfit(x, y, 1)
    line = slope * x + level
    freedom = len(found) - 2
    scatter = math.sqrt(((y - line) ** 2).sum() / freedom)
    own = numpy.array([math.log(item.size.high / item.size.low) / (2 * 1.96) for item in found])
    random = numpy.random.default_rng(seed)
    scale = scatter * numpy.sqrt(freedom / random.chisquare(freedom, draws))
    moved = line + numpy.maximum(scale[:, None], own) * random.standard_normal((draws, len(x)))
    centred = x - x.mean()
    low, high = numpy.quantile(moved @ centred / (centred @ centred), (0.025, 0.975))
    exponent = Quantity(
        value=float(slope), low=float(min(low, slope)), high=float(max(high, slope))
    )
    return Growth(exponent=exponent, level=float(level), valleys=tuple(found))


def floor_of(sizes: Array, losses: Array) -> float | None:
    """The log size at which the loss is smallest; None where that is an end of what was tried.

    Args:
        sizes: logarithms, rising.
        losses: one for each.
    """
    if len(sizes) >= _ENOUGH_TO_INTERPOLATE:
        from scipy.interpolate import Akima1DInterpolator

        line = numpy.linspace(sizes[0], sizes[-1], (len(sizes) - 1) * _STEPS)
        heights = numpy.log(losses) if losses.min() > 0 else losses
        place = int(Akima1DInterpolator(sizes, heights)(line).argmin())
        return float(line[place]) if 0 < place < len(line) - 1 else None
    best = int(losses.argmin())
    if best in (0, len(sizes) - 1):
        return None
    near = slice(best - 1, best + 2)
    bend, tilt, _ = numpy.polyfit(sizes[near] - sizes[best], losses[near], 2)
    return float(sizes[best] - tilt / (2 * bend))
