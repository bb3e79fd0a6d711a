from __future__ import annotations

import numpy
import pytest
from scipy.optimize import minimize, nnls

from selector.report.projection import search
from selector.report.scaling import (
    Law,
    Optimum,
    Refused,
    fit_law,
    optimum,
    reachable,
    size_growth,
)

TRUE = {
    "floor": 1.2,
    "size_factor": 40.0,
    "size_exponent": 0.4,
    "token_factor": 300.0,
    "token_exponent": 0.45,
}
SIZES, TOKENS = (
    axis.ravel()
    for axis in numpy.meshgrid(
        numpy.array([1e5, 8e5, 5e6]), numpy.array([2.6e5, 1e6, 4e6]), indexing="ij"
    )
)
LOSSES = 1.2 + 40 * SIZES**-0.4 + 300 * TOKENS**-0.45


def fitted(losses=LOSSES, sizes=SIZES, tokens=TOKENS, **others) -> Law:
    found = fit_law(sizes, tokens, losses, **others)
    assert isinstance(found, Law), found
    return found


def refused(found: object) -> str:
    assert isinstance(found, Refused), found
    return found.reason


def test_a_law_without_noise_comes_back() -> None:
    law = fitted()
    for name, true in TRUE.items():
        assert getattr(law, name).value == pytest.approx(true, rel=2e-3), name
    assert law.misfit < 1e-5


@pytest.mark.slow
def test_intervals_hold_the_truth_in_nine_of_ten_repetitions() -> None:
    random = numpy.random.default_rng(1)
    held = dict.fromkeys([*TRUE, "size", "growth"], 0)
    repetitions, sd, units = 30, 0.01, 4
    best = size_for(2e14)
    for place in range(repetitions):
        values = LOSSES[:, None] + random.normal(0, sd, (len(LOSSES), units))
        freedom = len(LOSSES) * (units - 1)
        pooled = values.var(axis=1, ddof=1).mean()
        law = fitted(
            values.mean(axis=1),
            noise=float(numpy.sqrt(pooled / units)),
            freedom=freedom,
            seed=place,
            draws=100,
        )
        for name, true in TRUE.items():
            held[name] += getattr(law, name).low <= true <= getattr(law, name).high
        growth = size_growth(law)
        held["growth"] += growth.low <= 0.45 / 0.85 <= growth.high
        found = optimum(law, 2e14)
        assert isinstance(found, Optimum)
        held["size"] += found.size.low <= best <= found.size.high
    assert min(held.values()) >= 0.9 * repetitions, held


def size_for(flops: float, cost: tuple[float, float] = (6.0, 1.0)) -> float:
    """The best size by trying many."""
    sizes = numpy.geomspace(1e4, 1e8, 400_001)
    tokens = flops / (cost[0] * sizes ** cost[1])
    return float(sizes[(40 * sizes**-0.4 + 300 * tokens**-0.45).argmin()])


@pytest.mark.parametrize("cost", [(6.0, 1.0), (11.0, 0.95)])
def test_the_recommended_size_is_the_best_of_all_that_cost_as_much(cost) -> None:
    found = optimum(fitted(cost=cost), 1e14)
    assert isinstance(found, Optimum)
    assert found.size.value == pytest.approx(size_for(1e14, cost), rel=0.01)
    assert cost[0] * found.size.value ** cost[1] * found.tokens.value == pytest.approx(1e14)


def test_the_search_finds_what_a_general_optimizer_finds() -> None:
    random = numpy.random.default_rng(3)
    y = LOSSES + random.normal(0, 0.02, len(LOSSES))
    u, v = SIZES / SIZES.mean(), TOKENS / TOKENS.mean()
    _, fits = search(u, v, y[None])

    def squares(exponents: numpy.ndarray) -> float:
        alpha, beta = numpy.exp(exponents)
        return float(nnls(numpy.stack([u**0, u**-alpha, v**-beta], axis=1), y)[1] ** 2)

    best = min(
        minimize(squares, numpy.log([alpha, beta]), method="Nelder-Mead", tol=1e-10).fun
        for alpha in (0.2, 0.5, 1.0)
        for beta in (0.2, 0.5, 1.0)
    )
    assert ((y - fits[0]) ** 2).sum() == pytest.approx(best, rel=1e-3)


def test_too_few_rungs_are_refused_with_what_is_missing() -> None:
    sizes = numpy.array([1e5, 1e6] * 3)
    tokens = numpy.repeat([1e5, 1e6, 1e7], 2)
    reason = refused(fit_law(sizes, tokens, numpy.ones(6)))
    assert "at least 3 sizes, 3 lengths and 6 rungs" in reason
    assert "2 sizes, 3 lengths and 6 rungs" in reason


def test_tokens_in_step_with_size_are_refused() -> None:
    sizes = numpy.geomspace(1e5, 1e7, 6)
    reason = refused(fit_law(sizes, 20 * sizes, 1 + 40 * sizes**-0.4))
    assert "tokens go with size" in reason


def test_losses_that_do_not_depend_on_size_are_refused() -> None:
    noise = numpy.random.default_rng(2).normal(0, 0.01, len(SIZES))
    for effect in (0.0, 1e-3 * SIZES**0.3):  # none, and one that grows
        losses = 1.2 + effect + 300 * TOKENS**-0.45 + noise
        assert "do not fall with size" in refused(fit_law(SIZES, TOKENS, losses))


def test_nothing_is_recommended_far_outside_the_ladder() -> None:
    law = fitted()
    assert isinstance(optimum(law, 3 * law.flops[1]), Optimum)
    reason = refused(optimum(law, 20 * law.flops[1]))
    assert "more than 10 times outside what the ladder tried" in reason
    assert reachable(1e5, 3e5) == pytest.approx(3)


def test_a_size_that_anything_fits_is_not_recommended() -> None:
    random = numpy.random.default_rng(0)
    noisy = LOSSES + random.normal(0, 0.02, len(LOSSES))
    reason = refused(optimum(fitted(noisy, noise=0.15, freedom=20), 1e14))
    assert "weights fits the measured losses" in reason
    assert "do not fall with size" in refused(fit_law(SIZES, TOKENS, noisy, noise=0.6, freedom=20))


def test_the_same_numbers_give_the_same_law() -> None:
    noisy = LOSSES + numpy.random.default_rng(5).normal(0, 0.01, len(LOSSES))
    one, two, other = fitted(noisy), fitted(noisy), fitted(noisy, seed=1)
    assert one.floor == two.floor
    assert one.floor.low != other.floor.low


def test_the_larger_of_misfit_and_noise_counts() -> None:
    noisy = LOSSES + numpy.random.default_rng(5).normal(0, 0.01, len(LOSSES))
    alone, quiet, loud = (fitted(noisy, noise=noise, freedom=27) for noise in (None, 1e-6, 0.03))
    width = {id(law): law.floor.high - law.floor.low for law in (alone, quiet, loud)}
    assert width[id(quiet)] == pytest.approx(width[id(alone)])
    assert width[id(loud)] > 1.5 * width[id(quiet)]
