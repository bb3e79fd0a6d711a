"""The scaling law of a ladder: L(N, D) = E + A / N^alpha + B / D^beta (arXiv 2203.15556, 3.3).

Fitted by variable projection (see `projection.py`), so that the result does not depend on where an
optimizer starts or stops, which is what went wrong in the paper's own fit (arXiv 2404.10102).
Squares, not Huber's loss: a value here is a mean over sub-searches on fresh seeds, diverged runs
left out, not one smoothed training curve with its outliers.

Plain arrays in, plain numbers out; numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from selector.report import digits
from selector.report.projection import EXPONENTS, Array, search

DRAWS = 400
#: Fewer sizes or lengths than this cannot tell a power law with a floor from a straight line.
FEWEST = 3
#: Five numbers are fitted; one more rung leaves something to judge the fit by.
FEWEST_RUNGS = 6
#: No further beyond the ladder than this factor, nor than the ladder itself spans.
FARTHEST = 10.0
#: An interval whose ends are this many times apart recommends nothing.
WIDEST = 30.0
_COLLINEAR = 0.95
_MOST = 1e300  # for what a draw without an effect of size or length makes infinite


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why there is no number, in words."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Law:
    """A fitted law; `draws` holds what the fit gives on bootstrap samples, for derived numbers."""

    floor: Quantity
    """E: the loss that neither size nor tokens remove, in the metric."""
    size_factor: Quantity
    """A."""
    size_exponent: Quantity
    """alpha."""
    token_factor: Quantity
    """B."""
    token_exponent: Quantity
    """beta."""
    misfit: float
    """Root mean square of fitted minus measured losses, in the metric."""
    sizes: tuple[float, float]
    """Smallest and largest N fitted."""
    tokens: tuple[float, float]
    """Smallest and largest D fitted."""
    flops: tuple[float, float]
    """Smallest and largest compute of a run."""
    cost: tuple[float, float]
    """(c, g): a token costs c * N^g floating-point operations; (6, 1) is the usual 6 N D."""
    draws: Array
    """[draws, 5]: E, A, alpha, B, beta."""

    @property
    def values(self) -> Array:
        """[5]: E, A, alpha, B, beta."""
        parts = (
            *(self.floor, self.size_factor, self.size_exponent),
            *(self.token_factor, self.token_exponent),
        )
        return numpy.array([part.value for part in parts])

    def loss(self, size: float, tokens: float) -> Quantity:
        """The loss that the law predicts."""
        return quantity(
            _losses(self.values[None], size, tokens)[0], _losses(self.draws, size, tokens)
        )


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The size and length that the law recommends for a compute budget."""

    flops: float
    size: Quantity
    tokens: Quantity
    loss: Quantity


def fit_law(
    sizes: Sequence[float],
    tokens: Sequence[float],
    losses: Sequence[float],
    *,
    noise: float | None = None,
    freedom: int = 0,
    cost: tuple[float, float] = (6.0, 1.0),
    seed: int = 0,
    draws: int = DRAWS,
) -> Law | Refused:
    """Fit the law to one loss a rung, with a parametric bootstrap of `draws` repetitions.

    Args:
        sizes: N of each rung.
        tokens: D of each rung.
        losses: the metric of each rung, smaller is better.
        noise: standard deviation of one of these losses as measured by repetition, with `freedom`
            degrees of freedom. Where the misfit is larger, the misfit counts.
        cost: (c, g), see `Law.cost`.
        seed: of the bootstrap.
        draws: bootstrap repetitions.
    """
    n, d, y = (numpy.asarray(item, dtype=float) for item in (sizes, tokens, losses))
    if reason := _too_little(n, d):
        return Refused(reason=reason)
    middle = math.exp(numpy.log(n).mean()), math.exp(numpy.log(d).mean())
    u, v = n / middle[0], d / middle[1]
    best, fitted = search(u, v, y[None])
    left = len(y) - 5
    variance, nu = float(((y - fitted[0]) ** 2).sum()) / left, left
    if noise is not None and freedom > 0 and noise**2 >= variance:
        variance, nu = noise**2, freedom
    random = numpy.random.default_rng(seed)
    spread = numpy.sqrt(variance * nu / random.chisquare(nu, draws))
    samples = fitted[0] + spread[:, None] * random.standard_normal((draws, len(y)))
    values, drawn = _unscaled(best, middle), _unscaled(search(u, v, samples)[0], middle)
    if reason := _not_determined(values[0], drawn):
        return Refused(reason=reason)
    parts = [quantity(values[0, place], drawn[:, place]) for place in range(5)]
    spent = cost[0] * n ** cost[1] * d
    return Law(
        floor=parts[0],
        size_factor=parts[1],
        size_exponent=parts[2],
        token_factor=parts[3],
        token_exponent=parts[4],
        misfit=float(numpy.sqrt(((y - fitted[0]) ** 2).mean())),
        sizes=(float(n.min()), float(n.max())),
        tokens=(float(d.min()), float(d.max())),
        flops=(float(spent.min()), float(spent.max())),
        cost=cost,
        draws=drawn,
    )


def optimum(law: Law, flops: float) -> Optimum | Refused:
    """The N and D with the smallest loss among all with c * N^g * D = `flops`.

    N = (alpha A / (g beta B) * (C / c)^beta)^(1 / (alpha + g beta)): the derivative of the law
    along the budget is zero there; with (c, g) = (6, 1) it is arXiv 2203.15556, equation 4.
    """
    reach = reachable(*law.flops)
    if not law.flops[0] / reach <= flops <= law.flops[1] * reach:
        return Refused(
            reason=f"that lies more than {reach:.2g} times outside what the ladder tried"
            f" ({digits.operations(law.flops[0])} to {digits.operations(law.flops[1])})"
        )
    sizes, tokens = _best(law, law.values[None], flops), _best(law, law.draws, flops)
    size, length = quantity(sizes[0][0], tokens[0]), quantity(sizes[1][0], tokens[1])
    for name, unit, item, ends in (
        ("size", "weights", size, law.sizes),
        ("length", "tokens", length, law.tokens),
    ):
        if not item.high < WIDEST * item.low:
            span = f"{digits.size(item.low)} to {digits.size(item.high)} {unit}"
            return Refused(reason=f"anything from {span} fits the measured losses")
        factor = reachable(*ends)
        if not ends[0] / factor <= item.value <= ends[1] * factor:
            return Refused(
                reason=f"the best {name} would be {digits.size(item.value)} {unit}, more than"
                f" {factor:.2g} times outside what the ladder tried"
                f" ({digits.size(ends[0])} to {digits.size(ends[1])})"
            )
    loss = _losses(law.values[None], size.value, length.value)
    drawn = _losses(law.draws, tokens[0], tokens[1])
    return Optimum(flops=flops, size=size, tokens=length, loss=quantity(loss[0], drawn))


def size_growth(law: Law) -> Quantity:
    """The exponent of the recommended size against compute: beta / (alpha + g beta)."""
    g = law.cost[1]
    grow = [
        found[:, 4] / (found[:, 2] + g * found[:, 4]) for found in (law.values[None], law.draws)
    ]
    return quantity(grow[0][0], grow[1])


def reachable(low: float, high: float) -> float:
    """The factor by which one may go beyond a ladder from `low` to `high`."""
    return min(FARTHEST, high / low)


def _too_little(n: Array, d: Array) -> str:
    sizes, lengths = len(set(n.tolist())), len(set(d.tolist()))
    if sizes < FEWEST or lengths < FEWEST or len(n) < FEWEST_RUNGS:
        return (
            f"the law needs at least {FEWEST} sizes, {FEWEST} lengths and {FEWEST_RUNGS} rungs;"
            f" there are {sizes} sizes, {lengths} lengths and {len(n)} rungs"
        )
    if abs(float(numpy.corrcoef(numpy.log(n), numpy.log(d))[0, 1])) > _COLLINEAR:
        return "tokens go with size in every rung, so that their effects cannot be told apart"
    return ""


def _not_determined(values: Array, drawn: Array) -> str:
    for name, factor, exponent in (("size", 1, 2), ("length", 3, 4)):
        if values[factor] <= 0 or (drawn[:, factor] <= 0).mean() > 0.025:
            return f"the losses do not fall with {name}, or by no more than their noise"
        low, high = EXPONENTS
        if not 1.02 * low < values[exponent] < high / 1.02:
            return f"the exponent of {name} is not determined: it lies outside {low} to {high}"
    return ""


def _unscaled(values: Array, middle: tuple[float, float]) -> Array:
    found = values.copy()
    found[:, 1] *= middle[0] ** values[:, 2]
    found[:, 3] *= middle[1] ** values[:, 4]
    return found


def _losses(values: Array, size: float | Array, tokens: float | Array) -> Array:
    e, a, alpha, b, beta = values.T
    with numpy.errstate(all="ignore"):  # a draw without an effect of size has no best size
        return numpy.asarray(e + a * size**-alpha + b * tokens**-beta, dtype=float)


def _best(law: Law, values: Array, flops: float) -> tuple[Array, Array]:
    c, g = law.cost
    _, a, alpha, b, beta = values.T
    with numpy.errstate(all="ignore"):
        size = (alpha * a / (g * beta * b) * (flops / c) ** beta) ** (1 / (alpha + g * beta))
        return size, flops / (c * size**g)


def quantity(value: float, drawn: Array) -> Quantity:
    """The 95 % interval of the draws; it always holds the value itself."""
    low, high = numpy.quantile(numpy.nan_to_num(drawn, nan=_MOST, posinf=_MOST), (0.025, 0.975))
    return Quantity(value=float(value), low=float(min(low, value)), high=float(max(high, value)))
