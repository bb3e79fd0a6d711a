"""What to use beyond a ladder: a tuned quantity's best value as a power of size and length.

Plain arrays in, plain numbers out; numpy only. A value comes with an interval, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from selector.report import digits
from selector.report.projection import Array
from selector.report.scaling import DRAWS, WIDEST, Quantity, Refused, quantity, reachable

# Size and length are told apart where their logarithms correlate less than this.
_COLLINEAR = 0.95
# What the ladder did not vary on its own may differ by this factor.
_ALIKE = 2.0
_FEWEST_RUNGS = 3


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A tuned quantity's best value as exp(level) * N^size * D^tokens."""

    level: float
    size: Quantity | None
    """Exponent of N; None where size was not varied on its own."""
    tokens: Quantity | None
    """Exponent of D; None where length was not varied on its own."""
    sizes: tuple[float, float]
    lengths: tuple[float, float]
    trend: tuple[float, float]
    """(slope, level): what was not varied on its own followed exp(level) * varied^slope."""
    draws: Array
    """[draws, 3]: level, exponents of N and D on bootstrap samples."""


def fit_rule(
    sizes: Sequence[float],
    tokens: Sequence[float],
    values: Sequence[float],
    errors: Sequence[float],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Rule | Refused:
    """The best value of a quantity as a power of size and length, by weighted least squares.

    Args:
        sizes: N of each rung.
        tokens: D of each rung.
        values: the best value at each.
        errors: standard deviations of its logarithm.
        seed: of the bootstrap: around the line, each value moves by its own error or by the scatter
            around the line, whichever is larger.
        draws: bootstrap repetitions.
    """
    if len(values) < _FEWEST_RUNGS:
        return _too_few(len(values), _FEWEST_RUNGS)
    x, z, y = (numpy.log(numpy.asarray(item, dtype=float)) for item in (sizes, tokens, values))
    by_size, by_tokens = numpy.ptp(x) > 0, numpy.ptp(z) > 0
    together = by_size and by_tokens and abs(numpy.corrcoef(x, z)[0, 1]) > _COLLINEAR
    by_tokens = by_tokens and not together
    used = [0, *([1] if by_size else []), *([2] if by_tokens else [])]
    freedom = len(y) - len(used)
    if freedom < 1:
        return _too_few(len(y), len(used) + 1)
    columns = numpy.stack([numpy.ones_like(x), x, z], axis=1)[:, used]
    own = numpy.maximum(numpy.asarray(errors, dtype=float), 1e-3)
    solve = numpy.linalg.pinv(columns / own[:, None]) / own
    line = columns @ (solve @ y)
    scatter = math.sqrt(((y - line) ** 2).sum() / freedom)
    random = numpy.random.default_rng(seed)
    scale = scatter * numpy.sqrt(freedom / random.chisquare(freedom, draws))
    moved = line + numpy.maximum(scale[:, None], own) * random.standard_normal((draws, len(y)))
    found = numpy.zeros((draws + 1, 3))
    found[:, used] = numpy.vstack([y, moved]) @ solve.T
    trend = (0.0, 0.0)
    if by_size and not by_tokens:
        trend = (float(numpy.polyfit(x, z, 1)[0]), 0.0) if together else (0.0, 0.0)
        trend = (trend[0], float((z - trend[0] * x).mean()))
    elif by_tokens and not by_size:
        trend = (0.0, float(x.mean()))
    return Rule(
        level=float(found[0, 0]),
        size=quantity(found[0, 1], found[1:, 1]) if by_size else None,
        tokens=quantity(found[0, 2], found[1:, 2]) if by_tokens else None,
        sizes=(float(min(sizes)), float(max(sizes))),
        lengths=(float(min(tokens)), float(max(tokens))),
        trend=trend,
        draws=found[1:],
    )


def _too_few(count: int, needed: int) -> Refused:
    return Refused(
        reason=f"a rule needs {needed} rungs whose best value is known; there"
        f" {'is' if count == 1 else 'are'} {count}"
    )


def length_for(rule: Rule, size: float) -> float | None:
    """The length that goes with `size` in the ladder; None where length was varied on its own."""
    return None if rule.tokens is not None else math.exp(rule.trend[1]) * size ** rule.trend[0]


def recommend(rule: Rule, size: float, tokens: float) -> Quantity | Refused:
    """The value to use at N = `size` and D = `tokens`, with its interval, or why there is none."""
    for name, given, ends, varied in (
        ("size", size, rule.sizes, rule.size),
        ("length", tokens, rule.lengths, rule.tokens),
    ):
        factor = reachable(*ends) if varied else _ALIKE
        if name == "length" and not varied:
            middle = length_for(rule, size) or tokens
            ends = (middle, middle)
        if not ends[0] / factor <= given <= ends[1] * factor:
            why = "lies too far outside the ladder's" if varied else "was not varied on its own:"
            span = digits.size(ends[0]) + (f" to {digits.size(ends[1])}" if varied else "")
            return Refused(reason=f"{name} {why} {span}; asked {digits.size(given)}")
    at = numpy.array([1.0, math.log(size), math.log(tokens)])
    exponents = [0.0 if item is None else item.value for item in (rule.size, rule.tokens)]
    centre = float(numpy.array([rule.level, *exponents]) @ at)
    found = quantity(centre, rule.draws @ at)
    if found.high - found.low > math.log(WIDEST):
        return Refused(
            reason=f"not determined: anything from {math.exp(found.low):.2g} to"
            f" {math.exp(found.high):.2g} fits the ladder"
        )
    return Quantity(value=math.exp(centre), low=math.exp(found.low), high=math.exp(found.high))
