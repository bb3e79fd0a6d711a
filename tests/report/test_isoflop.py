from __future__ import annotations

import math

import numpy
import pytest

from selector.report.isoflop import Budget, Growth, floor_of, growth, valleys
from selector.report.scaling import Refused

#: Of L = 1.2 + 40 / N^.4 + 300 / D^.45 with C = 6 N D.
TRUE = 0.45 / 0.85


def best_size(flops: float) -> float:
    return float((0.4 * 40 / (0.45 * 300) * (flops / 6) ** 0.45) ** (1 / 0.85))


def budget(flops: float, count: int, noise: float = 0.0, seed: int = 0) -> Budget:
    """Losses at `count` sizes around the best, not quite in the middle."""
    random = numpy.random.default_rng(seed)
    sizes = best_size(flops) * numpy.geomspace(0.1, 14, count)
    losses = 1.2 + 40 * sizes**-0.4 + 300 * (flops / (6 * sizes)) ** -0.45
    losses += random.normal(0, noise, count)
    return Budget(flops=flops, sizes=tuple(sizes), losses=tuple(losses))


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_the_exponent_of_a_known_law_comes_back(count) -> None:
    budgets = [budget(flops, count) for flops in (1e13, 1e14, 1e15, 1e16)]
    found = growth(valleys(budgets, noise=1e-4))
    assert isinstance(found, Growth)
    assert found.exponent.value == pytest.approx(TRUE, abs=0.03)
    assert found.size(1e15) == pytest.approx(best_size(1e15), rel=0.5)


def test_the_interval_holds_the_truth_in_nine_of_ten_repetitions() -> None:
    held, widths = 0, []
    for seed in range(30):
        budgets = [budget(10.0**p, 7, 0.01, 100 * seed + p) for p in (13, 14, 15, 16, 17)]
        found = growth(valleys(budgets, noise=0.01, draws=60, seed=seed), seed=seed)
        assert isinstance(found, Growth)
        held += found.exponent.low <= TRUE <= found.exponent.high
        widths.append(found.exponent.high - found.exponent.low)
    assert held >= 27
    assert numpy.median(widths) < 0.4


def test_a_valley_without_a_floor_is_left_out() -> None:
    sizes = (1e5, 1e6, 1e7, 1e8)
    falling = Budget(flops=1e15, sizes=sizes, losses=(3.0, 2.5, 2.2, 2.0))
    assert valleys([falling], noise=0.01) == ()
    two = Budget(flops=1e15, sizes=sizes[:2], losses=(3.0, 2.5))
    assert valleys([two], noise=0.01) == ()


def test_a_floor_that_noise_makes_is_left_out() -> None:
    flat = Budget(flops=1e15, sizes=(1e5, 1e6, 1e7), losses=(2.0, 1.9999, 2.0))
    assert valleys([flat], noise=0.1) == ()
    assert len(valleys([flat], noise=1e-6)) == 1


def test_fewer_than_three_budgets_make_no_line() -> None:
    found = growth(valleys([budget(1e14, 5), budget(1e15, 5)], noise=1e-4))
    assert isinstance(found, Refused)
    assert "at least 3 budgets" in found.reason
    assert found.reason.endswith("there are 2")


def test_the_order_of_the_sizes_does_not_matter() -> None:
    one = budget(1e14, 6)
    other = Budget(flops=one.flops, sizes=one.sizes[::-1], losses=one.losses[::-1])
    assert valleys([one], noise=1e-4)[0].size.value == valleys([other], noise=1e-4)[0].size.value


def test_the_floor_of_a_parabola_is_exact() -> None:
    x = numpy.array([0.0, 1.0, 2.5])
    assert floor_of(x, 1 + (x - 1.3) ** 2) == pytest.approx(1.3)
    assert floor_of(x, 1 + x) is None
    assert math.isclose(best_size(1e14), 1.4e6, rel_tol=0.5)
