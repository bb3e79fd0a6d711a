"""Contrasts: the verdict's own interval, and one that covers the truth as often as it says."""

from __future__ import annotations

import random
import statistics

import pytest
from scipy import stats

from selector.study.contrast import contrast


def test_a_difference_is_the_wider_of_students_and_welchs():
    arms = {"a": (1.0, 1.2, 1.1), "b": (1.9, 2.9, 2.0), "c": (5.0, 5.1, 5.05)}
    for one, other, others in (("b", "c", ()), ("a", "c", ("b",)), ("c", "a", ())):
        known = {name: arms[name] for name in (one, other, *others)}
        found = contrast({one: 1.0, other: -1.0}, known)
        welch = stats.ttest_ind(arms[one], arms[other], equal_var=False).confidence_interval()
        freedom = 2 * len(known)
        pooled = sum(2 * statistics.variance(values) for values in known.values()) / freedom
        half = stats.t.ppf(0.975, freedom) * (pooled * 2 / 3) ** 0.5
        middle = (welch.low + welch.high) / 2
        assert found.value == pytest.approx(middle)
        assert found.high == pytest.approx(max(welch.high, middle + half))
        assert found.low == pytest.approx(min(welch.low, middle - half))


def test_without_noise_there_is_no_interval():
    arms = {"a": [2.0], "b": [1.5]}
    found = contrast({"a": 1.0, "b": -1.0}, arms)
    assert (found.value, found.low, found.high) == (0.5, None, None)
    assert not found.above
    assert not found.within(9.0)
    both = contrast({"a": 1.0, "b": -1.0}, {**arms, "c": [1.0, 1.2]})  # c knows the noise
    assert both.low < 0.5 < both.high


def test_an_interaction_covers_the_truth_in_95_percent():
    source = random.Random(1)
    weights, means = (1.0, -1.0, -1.0, 1.0), (2.0, 1.7, 1.8, 1.65)
    truth = sum(weight * mean for weight, mean in zip(weights, means, strict=True))
    inside = 0
    for _ in range(2000):
        arms = {
            place: [source.gauss(mean, 0.1) for _ in range(4)] for place, mean in enumerate(means)
        }
        found = contrast(dict(enumerate(weights)), arms)
        inside += found.low <= truth <= found.high
    assert 0.94 <= inside / 2000 <= 0.975  # standard error .005; the wider of two intervals


def test_an_interaction_covers_the_truth_where_arms_scatter_unlike():
    source = random.Random(2)
    spreads = (0.3, 0.1, 0.1, 0.02)
    inside = 0
    for _ in range(2000):
        arms = {place: [source.gauss(0, sd) for _ in range(4)] for place, sd in enumerate(spreads)}
        found = contrast(dict(enumerate((1.0, -1.0, -1.0, 1.0))), arms)
        inside += found.low <= 0 <= found.high
    assert inside / 2000 >= 0.94


def test_words_for_what_is_clear():
    arms = {"a": [1.0, 1.01], "b": [0.5, 0.51]}
    found = contrast({"a": 1.0, "b": -1.0}, arms)
    assert found.above
    assert contrast({"a": -1.0, "b": 1.0}, arms).below
    assert found.within(0.6)
    assert not found.within(0.5)
