from __future__ import annotations

import math
from dataclasses import replace

import numpy
import pytest

from selector.report.ladder import Ladder, ladders
from selector.report.response import places, respond
from selector.report.transfer import bests, pairs, shared_space, surfaces
from selector.space.dimension import Choices, Interval
from selector.space.space import Space
from tests.report.ladders import ladder_study

RATE = "optimizer.lr"
RANGE = Interval(low=3e-4, high=0.1, log=True)


def ladder(dimensions=None, **changes) -> Ladder:
    """Three sizes at one length, nothing run yet."""
    made = ladder_study(**{"tokens": (262_144,), **changes})
    (found,) = ladders(made, None)
    if dimensions is None:
        return found
    rungs = [
        replace(rung, arm=replace(rung.arm, space=Space(dimensions=own)))
        for rung, own in zip(found.rungs, dimensions, strict=True)
    ]
    return replace(found, rungs=tuple(rungs))


def trials(found: Ladder, rates, *, count=24, noise=0.005, sign=1, seed=0, cliff=math.inf):
    """A quadratic in log rate for each rung, best at its place of `rates`."""
    random = numpy.random.default_rng(seed)
    made = {}
    for rung, best in zip(found.rungs, rates, strict=True):
        tried = 10 ** random.uniform(-3.5, -1, count)
        values = 2.0 + 0.3 * numpy.log10(tried / best) ** 2 + random.normal(0, noise, count)
        made[rung.arm.name] = [
            ({RATE: float(rate)}, None if rate > cliff else sign * float(value))
            for rate, value in zip(tried, values, strict=True)
        ]
    return made


def test_settings_with_one_best_place_carry_over() -> None:
    own = ladder()
    found = pairs(own, surfaces(own, trials(own, [5e-3] * 3), minimize=True, seed=0))
    assert [(pair.axis, pair.small[:4], pair.large[:4]) for pair in found] == [
        ("size", "pico", "nano"),
        ("size", "nano", "micr"),
        ("size", "pico", "micr"),
    ]
    for pair in found:
        assert pair.rank.value > 0.9
        assert 0 <= pair.regret.low <= pair.regret.value < 0.01
        assert pair.regret.high < 0.03
        (moved,) = pair.moved
        assert moved.ratio.low < 1 < moved.ratio.high


def test_settings_whose_best_place_moves_do_not() -> None:
    own = ladder()
    made = trials(own, [3e-2, 7e-3, 1.5e-3])
    found = pairs(own, surfaces(own, made, minimize=True, seed=0))
    ends = found[-1]
    assert ends.rank.value < 0.3
    # 1.3 decades away from the best: .3 * 1.3^2.
    assert ends.regret.value == pytest.approx(0.3 * math.log10(20) ** 2, rel=0.25)
    assert ends.regret.low > 0.3
    (moved,) = ends.moved
    assert moved.ratio.low < 1 / 20 < moved.ratio.high < 0.2


def test_a_metric_to_maximize_gives_the_mirror_image() -> None:
    own = ladder()
    up = surfaces(own, trials(own, [3e-2, 7e-3, 1.5e-3], sign=-1), minimize=False, seed=0)
    down = surfaces(own, trials(own, [3e-2, 7e-3, 1.5e-3]), minimize=True, seed=0)
    assert pairs(own, up) == pairs(own, down)


def test_neighbours_in_length_and_the_two_ends() -> None:
    own = ladder(tokens=(2**18, 2**20))
    found = pairs(own, surfaces(own, trials(own, [5e-3] * 6), minimize=True, seed=0))
    axes = [pair.axis for pair in found]
    assert axes.count("size") == 4
    assert axes.count("length") == 3
    assert axes.count("size and length") == 1


def test_neighbours_at_equal_compute() -> None:
    own = ladder(equal_flops=True)
    found = pairs(own, surfaces(own, trials(own, [5e-3] * 3), minimize=True, seed=0))
    assert {pair.axis for pair in found} == {"size at equal compute"}


def test_the_best_rate_is_inside_its_interval() -> None:
    held, widths = 0, []
    for seed in range(12):
        own = ladder()
        rates = [2e-2, 7e-3, 2e-3]
        fitted = surfaces(own, trials(own, rates, seed=seed), minimize=True, seed=seed)
        for best, true in zip(bests(own, fitted, RATE), rates, strict=True):
            held += best.value.low <= true <= best.value.high
            widths.append(best.value.high / best.value.low)
            assert best.edge == ""
    assert held >= 0.9 * 36
    assert numpy.median(widths) < 4


def test_a_cliff_does_not_move_the_best_rate() -> None:
    own = ladder()
    fitted = surfaces(own, trials(own, [8e-3] * 3, cliff=1.2e-2), minimize=True, seed=0)
    for best in bests(own, fitted, RATE):
        assert best.value.value == pytest.approx(8e-3, rel=0.5)


def test_a_best_rate_at_the_end_of_the_range_is_marked() -> None:
    own = ladder()
    fitted = surfaces(own, trials(own, [1.0, 5e-3, 1e-5]), minimize=True, seed=0)
    assert [best.edge for best in bests(own, fitted, RATE)] == ["high", "", "low"]


def test_rungs_with_few_trials_are_named() -> None:
    own = ladder()
    made = trials(own, [5e-3] * 3)
    name = own.rungs[1].arm.name
    made[name] = made[name][:4]
    fitted = surfaces(own, made, minimize=True, seed=0)
    assert fitted.reasons == (f"{name}: 4 trials completed, 6 are needed",)
    assert [(pair.small[:4], pair.large[:4]) for pair in pairs(own, fitted)] == [("pico", "micr")]


def test_only_what_all_rungs_tune_is_compared() -> None:
    narrow = replace(RANGE, low=1e-3, high=0.3)
    same, other = Choices(values=(0.9, 0.95)), Choices(values=(0.9, 0.99))
    first = {RATE: RANGE, "optimizer.beta1": same, "optimizer.beta2": same}
    second = {RATE: narrow, "optimizer.beta1": same, "optimizer.beta2": other}
    found = shared_space(ladder([first, second, first]))
    assert list(found) == [RATE, "optimizer.beta1"]
    assert found[RATE] == Interval(low=1e-3, high=0.1, log=True)


def test_nothing_tuned_says_so() -> None:
    own = ladder([{}, {}, {}])
    fitted = surfaces(own, {}, minimize=True, seed=0)
    assert fitted.reasons == ("nothing is tuned in all rungs",)
    assert pairs(own, fitted) == ()


def test_a_surface_in_two_dimensions_finds_the_best_place() -> None:
    random = numpy.random.default_rng(0)
    points = places(400, 2)
    assert points.min() >= 0
    assert points.max() < 1
    units = random.uniform(0, 1, (40, 2))
    values = 1 + (units[:, 0] - 0.3) ** 2 + 0.2 * (units[:, 1] - 0.7) ** 2
    found = respond(units, values.tolist(), points, draws=100, seed=0)
    assert found.draws.shape == (100, 400)
    assert points[found.best] == pytest.approx([0.3, 0.7], abs=0.12)
    true = 1 + (points[:, 0] - 0.3) ** 2 + 0.2 * (points[:, 1] - 0.7) ** 2
    low, high = numpy.quantile(found.draws, (0.025, 0.975), axis=0)
    inside = (true < values.min() + 0.1) & (low - 0.01 <= true) & (true <= high + 0.01)
    assert inside.sum() >= 0.9 * (true < values.min() + 0.1).sum()


def test_trials_that_are_all_alike_make_a_flat_surface() -> None:
    points = places(21, 1)
    found = respond(numpy.linspace(0, 1, 8)[:, None], [2.5] * 7 + [None], points, draws=20, seed=0)
    assert found.mean == pytest.approx(numpy.full(21, 2.5))
    assert numpy.isfinite(found.draws).all()
