"""Critical values against scipy.stats, which the package itself must not import."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from selector.study.critical import dunnett, last_level, student, tukey
from selector.study.power import (
    detectable_difference,
    power_of,
    smallest_difference,
    unit_deviation,
    units_needed,
)


@pytest.mark.parametrize("arms", [2, 3, 6])
@pytest.mark.parametrize("freedom", [1, 3, 12, 200])
def test_tukeys_is_the_studentized_range_over_root_two(arms, freedom):
    reference = stats.studentized_range.ppf(0.95, arms, freedom) / 2**0.5
    assert tukey(0.05, freedom, arms) == pytest.approx(reference, rel=1e-3)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.5, 0.5, 0.5), (0.3, 0.6, 0.5)])
def test_dunnetts_keeps_the_family(shares):
    """P(all |t| below it) under a multivariate t whose correlations are √(share · share)."""
    root = np.sqrt(shares)
    shape = np.outer(root, root)
    np.fill_diagonal(shape, 1.0)
    bound = np.full(len(shares), dunnett(0.05, 6, shares))
    kept = stats.multivariate_t.cdf(
        bound, df=6, shape=shape, lower_limit=-bound, maxpts=100_000, random_state=0
    )
    assert kept == pytest.approx(0.95, abs=3e-4)


def test_one_rival_is_students():
    for found in (dunnett(0.05, 4, (0.5,)), tukey(0.05, 4, 2)):
        assert found == pytest.approx(student(0.05, 4), rel=1e-3)


def test_degrees_of_freedom_are_rounded_to_the_safe_side():
    assert tukey(0.05, 5.9, 3) == tukey(0.05, 5.5, 3) > tukey(0.05, 6.0, 3)


def test_two_looks_err_together_in_five_percent():
    draw = np.random.default_rng(0)
    first = draw.normal(size=400_000)
    last = (first + draw.normal(size=400_000)) / 2**0.5
    wrong = (2 * stats.norm.sf(abs(first)) < 0.02) | (
        2 * stats.norm.sf(abs(last)) < last_level(0.05, 0.02, 0.5)
    )
    assert wrong.mean() == pytest.approx(0.05, abs=0.0015)


def test_power_between_two_arms_is_the_noncentral_ts():
    """At six degrees of freedom: five units an arm."""
    missed = stats.nct.cdf(stats.t.ppf(0.975, 6), 6, 2 * (5 / 2) ** 0.5)
    assert power_of(2.0, arms=2, units=5) == pytest.approx(1 - missed, abs=1e-3)


def test_power_is_that_of_simulated_verdicts():
    """Four arms, the first better by 2.5 sd; noise.py's interval against every rival."""
    draw = np.random.default_rng(1)
    values = draw.normal(size=(20_000, 4, 6))
    values[:, 0] -= 2.5
    means, variances = values.mean(axis=2), values.var(axis=2, ddof=1)
    leads = means[:, 1:] - means[:, :1]
    pair = variances[:, 1:] + variances[:, :1]
    freedom = 5 * pair**2 / (variances[:, 1:] ** 2 + variances[:, :1] ** 2)
    pooled = stats.t.ppf(0.975, 20) * np.sqrt(variances.mean(axis=1)[:, None] * 2 / 6)
    half = np.maximum(pooled, stats.t.ppf(0.975, freedom) * np.sqrt(pair / 6))
    found = (leads > half).all(axis=1).mean()
    assert power_of(2.5, arms=4, units=6) == pytest.approx(found, abs=0.04)


def test_units_needed_and_the_detectable_difference_agree():
    difference = detectable_difference(arms=3, units=8)
    assert units_needed(difference * 1.05, arms=3) <= 8 < units_needed(difference * 0.9, arms=3)
    assert detectable_difference(arms=1, units=8) is None
    assert detectable_difference(arms=2, units=1) is None


@pytest.mark.parametrize("effect", [1e-12, 0.01, 1e6])
def test_units_needed_has_an_answer_for_any_effect(effect):
    assert units_needed(effect, arms=4) >= 2


def test_what_a_budget_can_find_follows_its_noise():
    def found(**changes):
        budget = {"sampler": "refined", "dimensions": 1, "trials": 16, "verdict_seeds": 3}
        return smallest_difference(arms=2, units=8, deviation=unit_deviation(**budget | changes))

    medium = found()
    assert 0.003 < medium < 0.008  # about one seed sd of .004: docs/method.md
    assert found(sampler="random") > medium
    assert found(dimensions=2) > medium
    assert found(dimensions=2, trials=8) > found(dimensions=2, trials=16)
    assert found(verdict_seeds=1) > medium
    assert found(dimensions=7) == found(dimensions=3)
    assert found(sampler="tpe") == found(sampler="random")
    assert found(trials=2) == found(trials=4)
    assert unit_deviation(sampler="grid", dimensions=0, trials=1, verdict_seeds=4) == 0.5
    assert smallest_difference(arms=1, units=8, deviation=1.0) is None
