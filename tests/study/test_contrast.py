"""Contrasts: the verdict's own interval, and one that covers the truth as often as it says."""

from __future__ import annotations

import random

import pytest

from selector.study.contrast import contrast
from selector.study.verdict import Evidence, decide


def test_the_difference_of_two_arms_is_that_of_the_verdict():
    arms = {"a": (1.0, 1.2, 1.1), "b": (1.9, 2.3, 2.0), "c": (5.0, 9.0, 7.0)}
    evidence = {name: Evidence(values=values, cost=1.0) for name, values in arms.items()}
    verdict = decide(evidence, minimize=True, margin=0.01, unit="sub-search")
    for item in verdict.comparisons:
        found = contrast({item.rival: 1.0, "a": -1.0}, arms)
        assert found.value == pytest.approx(item.lead)
        assert found.low == pytest.approx(item.low)
        assert found.high == pytest.approx(item.high)


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
    assert 0.94 <= inside / 2000 <= 0.965  # standard error .005


def test_words_for_what_is_clear():
    arms = {"a": [1.0, 1.01], "b": [0.5, 0.51]}
    found = contrast({"a": 1.0, "b": -1.0}, arms)
    assert found.above
    assert contrast({"a": -1.0, "b": 1.0}, arms).below
    assert found.within(0.6)
    assert not found.within(0.5)
