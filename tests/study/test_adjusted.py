"""The second estimate: optima of fitted surfaces, with an interval that says when to doubt it."""

from __future__ import annotations

import numpy as np
import pytest

from selector.study.adjusted import Runs, difference, differs_in_ease_of_tuning, optimum

NOISE = 0.004


def runs(surface, *, dims=2, searches=6, trials=16, seed=0, noise=NOISE, seeds=3):
    """Random trials of `surface`, and each sub-search's best again on three seeds."""
    draw = np.random.default_rng(seed)
    units = draw.random((searches, trials, dims))
    truth = surface(units)
    values = truth + noise * draw.standard_normal(truth.shape)
    best = values.argmin(axis=1)
    rows = np.arange(searches)
    again = np.repeat(truth[rows, best], seeds)
    return Runs(
        units=np.concatenate(
            [units.reshape(-1, dims), np.repeat(units[rows, best], seeds, axis=0)]
        ),
        values=np.concatenate([values.ravel(), again + noise * draw.standard_normal(again.shape)]),
        sub_search=np.concatenate([np.repeat(rows, trials), np.repeat(rows, seeds)]),
    )


def bowl(level, scale, centre=0.4):
    return lambda units: level + scale * ((units - centre) ** 2).sum(axis=-1)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_bowl_without_noise_is_found_exactly(dims):
    found = runs(bowl(3.0, 0.4), dims=dims, noise=0.0)
    assert optimum(found, minimize=True) == pytest.approx(3.0, abs=1e-6)


def test_a_rotated_bowl_too():
    def surface(units):
        away = units - 0.45
        return 2.0 + (away**2).sum(axis=-1) + 20 * (away[..., 0] - away[..., 1]) ** 2

    assert optimum(runs(surface, noise=0.0), minimize=True) == pytest.approx(2.0, abs=1e-6)


def test_maximizing_turns_the_sign():
    found = runs(bowl(3.0, 0.4))
    turned = Runs(units=found.units, values=-found.values, sub_search=found.sub_search)
    assert optimum(turned, minimize=False) == pytest.approx(-optimum(found, minimize=True))
    other = runs(bowl(3.05, 0.4), seed=1)
    down = difference(found, other, minimize=True)
    up = difference(
        turned,
        Runs(units=other.units, values=-other.values, sub_search=other.sub_search),
        minimize=False,
    )
    assert (up.lead, up.low) == pytest.approx((down.lead, down.low))
    assert down.lead == pytest.approx(0.05, abs=0.01)


def test_a_technique_that_is_only_easier_to_tune_has_no_lower_optimum():
    easy, hard = runs(bowl(3.0, 0.3), seed=1), runs(bowl(3.0, 6.0), seed=2)

    def found(arm):
        best = [arm.values[arm.sub_search == search][-3:].mean() for search in range(6)]
        return float(np.mean(best))

    assert found(hard) - found(easy) > 10 * NOISE  # what the verdict sees
    apart = difference(easy, hard, minimize=True)
    assert apart.low < 0 < apart.high
    assert abs(apart.lead) < 2 * NOISE
    assert differs_in_ease_of_tuning(apart, found(hard) - found(easy))


def test_a_technique_that_is_better_everywhere_is_confirmed():
    apart = difference(runs(bowl(3.0, 0.4), seed=1), runs(bowl(3.05, 0.4), seed=2), minimize=True)
    assert apart.low > 0
    assert not differs_in_ease_of_tuning(apart, 0.05)


def test_what_no_quadratic_describes_has_no_estimate():
    def steps(units):
        return 3.0 + 0.5 * (np.floor(units * 7).sum(axis=-1) % 3)

    assert optimum(runs(steps), minimize=True) is None
    assert difference(runs(steps), runs(bowl(3.0, 0.4)), minimize=True) is None
    assert not differs_in_ease_of_tuning(None, 0.1)


def test_too_little_to_fit():
    few = runs(bowl(3.0, 0.4), searches=1, trials=8)
    assert optimum(few, minimize=True) is None
    one = runs(bowl(3.0, 0.4), searches=1, trials=40)
    assert optimum(one, minimize=True) is not None
    assert difference(one, one, minimize=True) is None
    untuned = Runs(units=np.empty((8, 0)), values=np.arange(8.0), sub_search=np.arange(8))
    assert optimum(untuned, minimize=True) is None


@pytest.mark.parametrize("dims", [1, 2])
def test_the_interval_holds_the_difference_of_unlike_surfaces(dims):
    """40 pairs with curvatures nine-fold apart; at 95 % fewer than 33 has a chance of .03 %."""
    held = total = 0
    for seed in range(40):
        apart = difference(
            runs(bowl(3.0, 0.4, 0.3), dims=dims, searches=4, seed=2 * seed),
            runs(bowl(3.02, 3.6, 0.6), dims=dims, searches=4, seed=2 * seed + 1),
            minimize=True,
        )
        if apart is not None:
            total += 1
            held += apart.low <= 0.02 <= apart.high
    assert total >= 30
    assert held / total > 0.82
