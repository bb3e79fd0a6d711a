"""Spikes are counted once each, however a curve arrives, and calm curves have none."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from selector.train.spikes import Spikes


def calm(seed: int, steps: int = 2000) -> np.ndarray:
    """A loss that falls as losses do, with the noise of its batches."""
    noise = np.random.default_rng(seed).normal(0.0, 0.05, steps)
    return 2.0 + 3.0 * np.exp(-np.arange(steps) / 100) + noise


def by_definition(values: np.ndarray) -> int:
    found = 0
    for step in range(16, len(values)):
        before = values[max(0, step - 128) : step]
        middle = statistics.median(before)
        deviation = statistics.median(abs(value - middle) for value in before)
        found += values[step] > middle + 7 * 1.4826 * deviation
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_calm_curve_has_none(seed: int) -> None:
    assert Spikes().count(calm(seed)) == 0


def test_each_spike_counts_once_and_does_not_hide_the_next() -> None:
    curve = calm(0)
    for step in (20, 127, 128, 700, 702, 703, 1999):
        curve[step] += 20.0
    curve[900] -= 5.0  # not above
    assert Spikes().count(curve) == 7


def test_the_parts_in_which_a_curve_arrives_do_not_matter() -> None:
    curve = calm(1, 600)
    curve[[35, 200, 201, 599]] *= 3
    curve[300:] += 1.0  # a leap to another level: spikes until most of those before are there
    whole = Spikes().count(curve)
    assert whole == by_definition(curve) > 15
    for size in (1, 7, 130):
        spikes = Spikes()
        found = [spikes.count(curve[: end + size]) for end in range(0, 600, size)]
        assert found[-1] == whole
        assert found == sorted(found)


def test_a_curve_that_repeats_itself_has_no_usual_deviation() -> None:
    assert Spikes().count([1.0] * 50 + [1.0001] + [1.0] * 200) == 0
    assert Spikes().count([]) == Spikes().count([1.0]) == 0
