from __future__ import annotations

import pytest

from selector.report.digits import (
    decimals,
    decimals_for,
    duration,
    interval,
    number,
    operations,
    setting,
    size,
)


@pytest.mark.parametrize(
    ("half", "places"),
    [(0.0325, 2), (0.012, 3), (0.3, 1), (0.0004, 4), (1.4, 1), (3.2, 0), (25.0, 0)],
)
def test_the_interval_decides_the_digits(half: float, places: int) -> None:
    assert decimals(half, 2.4) == places


@pytest.mark.parametrize(
    "half", [10.0**power * first for power in range(-6, 1) for first in (1, 1.9, 2.9, 3.1, 9.9)]
)
def test_rounding_changes_an_interval_by_little(half: float) -> None:
    assert 0.5 * 10 ** -decimals(half, 1.0) <= 0.17 * half


def test_no_end_of_an_interval_is_rounded_to_zero() -> None:
    places = decimals_for([(0.04, 0.0012, 0.08)])
    assert interval(0.0012, 0.08, places) == " (0.001 to 0.080)"


def test_without_an_interval_four_digits_of_the_value() -> None:
    assert number(2.41372, decimals(None, 2.41372)) == "2.414"
    assert number(93.1234, decimals(None, 93.1234)) == "93.12"
    assert decimals(None, 0.0) == 2
    assert interval(None, None, 2) == ""


def test_there_is_no_negative_zero() -> None:
    assert number(-0.0001, 2) == "0.00"
    assert number(-0.01, 2) == "-0.01"


def test_sizes_times_and_settings_are_short() -> None:
    assert [size(n) for n in (512, 12_000, 301_056, 124e6, 1.23e9)] == [
        "512", "12 k", "0.3 M", "0.12 B", "1.2 B",
    ]  # fmt: skip
    assert [duration(s) for s in (0.42, 12.3, 119, 200, 9000)] == [
        "0.42 s", "12 s", "119 s", "3.3 min", "2.5 h",
    ]  # fmt: skip
    assert operations(3.14e12) == "3.1e12"
    assert [setting(v) for v in (0.003123, 6e-5, 8, True, "gelu", (0.9, 0.95))] == [
        "0.00312", "6e-05", "8", "true", "gelu", "[0.9, 0.95]",
    ]  # fmt: skip
