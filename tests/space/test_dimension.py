"""One meaning of a range: bounds included, scales, steps, grids, edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.errors import ConfigError
from selector.space.dimension import Choices, Interval, dimension, range_mapping
from selector.space.space import Space

unit = st.floats(0, 1, exclude_max=True)
positive = st.floats(1e-6, 1e6)


@given(unit, positive, positive, st.booleans())
def test_values_lie_between_the_bounds(share, first, second, log):
    low, high = sorted((first, second))
    if low < high:
        assert low <= Interval(low=low, high=high, log=log).at(share) <= high


@given(unit)
def test_steps_are_hit_exactly(share):
    value = Interval(low=0.1, high=0.9, step=0.2).at(share)
    assert min(abs(value - point) for point in (0.1, 0.3, 0.5, 0.7, 0.9)) < 1e-12


def test_every_whole_number_is_as_likely():
    item = Interval(low=1, high=4, integer=True)
    values = [item.at(place / 1000) for place in range(1000)]
    assert [values.count(number) for number in (1, 2, 3, 4)] == [250] * 4


def test_the_middle_of_a_log_range_is_the_geometric_mean():
    assert Interval(low=1e-4, high=1e-2, log=True).at(0.5) == pytest.approx(1e-3)


def test_grids_take_both_ends():
    item = Interval(low=1e-4, high=1e-1, log=True, grid=4)
    assert item.points() == pytest.approx((1e-4, 1e-3, 1e-2, 1e-1))
    assert Interval(low=0, high=3, step=1, integer=True).points() == (0, 1, 2, 3)
    assert Interval(low=0, high=1).points() is None


def test_a_grid_enumerates_the_product():
    space = Space(
        dimensions={
            "a": Choices(values=("x", "y")),
            "b": Interval(low=1, high=3, step=1, integer=True),
        }
    )
    assert [tuple(point.values()) for point in space.grid()] == [
        ("x", 1), ("x", 2), ("x", 3), ("y", 1), ("y", 2), ("y", 3),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="a grid over a range needs"):
        Space(dimensions={"a": Interval(low=0, high=1)}).grid()


def test_edges():
    item = Interval(low=1e-4, high=1e-1, log=True)
    assert [item.edge(value, [1e-4, 0.1]) for value in (1.1e-4, 3e-3, 0.09)] == [
        "low", None, "high",
    ]  # fmt: skip
    assert item.edge(0.02, [1e-3, 2e-3, 0.005, 0.04]) is None
    assert item.edge(0.04, [1e-3, 2e-3, 0.005, 0.04]) == "high"  # nothing was tried beyond it
    assert item.edge(0.04, [1e-3, 2e-3, 0.05, 0.04]) is None
    assert item.edge(5e-3, [1e-3, 5e-3]) is None
    assert Choices(values=(1, 2)).edge(1, []) is None


@pytest.mark.parametrize(
    "mapping",
    [
        {"low": 1e-4, "high": 1e-2, "log": True},
        {"low": 0.1, "high": 0.9, "step": 0.2, "grid": 3},
        {"choices": [0.9, 0.95]},
    ],
)
def test_ranges_survive_being_stored(mapping):
    item = dimension("optimizer.momentum", mapping)
    assert dimension("optimizer.momentum", range_mapping(item)) == item


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"low": 1.0, "high": 0.1}, "expected low below high, got low=1.0, high=0.1"),
        ({"low": 0.1, "high": math.inf}, "high: expected a finite number"),
        ({"low": 0.1, "high": math.nan}, "high: expected a finite number"),
        ({"low": 0, "high": 1}, "low: expected a finite number above 0"),
        ({"low": "a", "high": 1}, "low: expected a number, got 'a'"),
        ({"low": 0.1, "high": 1, "step": 2}, "expected a step above 0 that fits"),
        ({"low": 0.1, "high": 1, "log": True, "step": 0.1}, "a log range needs"),
        ({"low": 0.1, "high": 1, "grid": 1}, "at least 2 points"),
        ({"low": 0.1}, "expected low and high, or choices"),
        ({"choices": []}, "expected different choices"),
        ({"choices": [0.1, 0.1]}, "expected different choices"),
        ({"choices": [0.1, -1]}, "choices: expected a finite number above 0, got -1"),
        ({"choices": [0.1], "low": 0.1}, "choices and nothing else"),
        ({"lo": 0.1}, "expected a range of low, high"),
        (3, "expected a range of low, high"),
    ],
)
def test_impossible_ranges_are_refused(mapping, text):
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        dimension("optimizer.lr", mapping)


def test_whole_numbers_stay_whole():
    with pytest.raises(ValueError, match=r"low: expected a whole number, got 1.5"):
        dimension("model.depth", {"low": 1.5, "high": 3}, integer=True)


RANGES = [
    Interval(low=-1.5, high=2.5),
    Interval(low=1e-5, high=1e-1, log=True),
    Interval(low=0.1, high=0.75, step=0.2),
    Interval(low=2, high=5, integer=True),
    Interval(low=2, high=9, integer=True, step=3),
    Interval(low=1, high=64, integer=True, log=True),
    Choices(values=(1, True, "1", 1.5)),
]


@pytest.mark.parametrize("item", RANGES, ids=str)
def test_the_place_of_a_value_gives_it_back(item):
    for share in (0.0, 0.1, 0.33, 0.5, 0.77, 0.999, 1.0):
        value = item.at(share)
        again = item.at(item.unit(value))
        assert type(again) is type(value)
        assert again == pytest.approx(value) if isinstance(value, float) else again == value
        assert item.has(value)


@pytest.mark.parametrize("item", RANGES, ids=str)
def test_what_is_outside_is_no_value(item):
    for value in (-7, 1000, "x", 1000.5, False):
        assert not item.has(value)


def test_whole_numbers_of_a_log_range_get_their_share_of_it():
    item = Interval(low=1, high=3, integer=True, log=True)
    values = [item.at((place + 0.5) / 10_000) for place in range(10_000)]
    width = math.log(3.5 / 0.5)
    for number, low, high in ((1, 0.5, 1.5), (2, 1.5, 2.5), (3, 2.5, 3.5)):
        assert values.count(number) / 10_000 == pytest.approx(
            math.log(high / low) / width, abs=1e-3
        )


@pytest.mark.parametrize(
    ("key", "item", "side", "ends", "new"),
    [
        ("optimizer.lr", Interval(low=1e-3, high=0.1, log=True), "high", (1e-3, 1.0), (0.1, 1.0)),
        ("optimizer.lr", Interval(low=0.3, high=0.6, log=True), "low", (0.1, 0.6), (0.1, 0.3)),
        ("regularization.dropout", Interval(low=0.1, high=0.3), "low", (0.0, 0.3), (0.0, 0.1)),
        ("model.depth", Interval(low=4, high=6, integer=True), "high", (4, 7), (6, 7)),
        ("model.depth", Interval(low=4, high=8, integer=True), "low", (2, 8), (2, 3)),
        ("x.step", Interval(low=0.2, high=0.8, step=0.2), "high", (0.2, 1.2), (1.0, 1.2)),
        ("x.step", Interval(low=4, high=12, integer=True, step=2), "low", (0, 12), (0, 2)),
    ],
)  # fmt: skip
def test_ranges_are_made_wider_on_one_side(key, item, side, ends, new):
    wider, part = item.widened(side, key), item.beyond(side, key)
    assert (wider.low, wider.high) == pytest.approx(ends)
    assert (part.low, part.high) == pytest.approx(new)
    assert (wider.log, wider.step, wider.integer) == (item.log, item.step, item.integer)


@pytest.mark.parametrize(
    ("key", "item", "side"),
    [
        ("regularization.dropout", Interval(low=0.0, high=0.3), "low"),
        ("optimizer.momentum", Interval(low=0.9, high=0.99), "high"),
        ("model.depth", Interval(low=1, high=3, integer=True), "low"),
        ("x.step", Interval(low=0.1, high=0.5, step=0.2), "low"),
    ],
)
def test_limits_are_not_passed(key, item, side):
    assert item.widened(side, key) is None
    assert item.beyond(side, key) is None
