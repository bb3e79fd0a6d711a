"""Conditional spaces: what is there, what is enumerated, and what is refused."""

from __future__ import annotations

import itertools

import pytest

from selector.errors import ConfigError
from selector.space.dimension import Choices, Condition, Interval, dimension, range_mapping
from selector.space.space import Space

KIND = Choices(values=("a", "b"))


def when(key, *values):
    return (Condition(key=key, values=values),)


def nested():
    """`size` needs `flag`, which needs `kind`; declared in the opposite order."""
    return Space(
        dimensions={
            "size": Interval(low=1, high=3, integer=True, step=1, when=when("flag", True)),
            "flag": Choices(values=(True, False), when=when("kind", "a")),
            "kind": KIND,
        }
    )


def test_a_grid_has_every_combination_once():
    assert nested().grid() == [
        {"size": 1, "flag": True, "kind": "a"},
        {"size": 2, "flag": True, "kind": "a"},
        {"size": 3, "flag": True, "kind": "a"},
        {"flag": False, "kind": "a"},
        {"kind": "b"},
    ]


def test_points_of_the_cube_and_values_are_inverse():
    space = nested()
    for point in space.grid():
        units = space.units(point)
        assert [unit is None for unit in units] == [key not in point for key in space.dimensions]
        assert space.at([0.3 if unit is None else unit for unit in units]) == point


def test_every_corner_of_the_cube_keeps_only_what_is_there():
    space = nested()
    seen = {tuple(space.at(corner)) for corner in itertools.product((0.0, 1.0), repeat=3)}
    assert seen == {("size", "flag", "kind"), ("flag", "kind"), ("kind",)}


def test_all_conditions_must_hold_and_true_is_no_number():
    both = (Condition(key="kind", values=("a",)), Condition(key="count", values=(2, 3)))
    space = Space(
        dimensions={
            "kind": KIND,
            "count": Interval(low=1, high=3, integer=True),
            "rate": Interval(low=0, high=1, when=both),
        }
    )
    assert "rate" in space.present({"kind": "a", "count": 2, "rate": 0.5})
    assert "rate" not in space.present({"kind": "a", "count": 1, "rate": 0.5})
    assert "rate" not in space.present({"kind": "b", "count": 2, "rate": 0.5})
    assert not Condition(key="k", values=(1,)).allows(True)
    assert Condition(key="k", values=(1,)).allows(1.0)


@pytest.mark.parametrize(
    ("dimensions", "text"),
    [
        (
            {"kind": KIND, "x": Choices(values=(1, 2), when=when("kid", "a"))},
            "x: when: unknown tuned key 'kid'; known: kind, x; did you mean 'kind'?",
        ),
        (
            {"kind": KIND, "x": Choices(values=(1, 2), when=when("kind", "a", "c"))},
            "x: when: kind is never 'c'; it is one of a, b",
        ),
        (
            {
                "whole": Interval(low=1, high=3, integer=True),
                "x": Choices(values=(1, 2), when=when("whole", 4)),
            },
            "x: when: whole is never 4; it is 1 to 3",
        ),
        (
            {
                "rate": Interval(low=0.0, high=1.0),
                "x": Choices(values=(1, 2), when=when("rate", 0.5)),
            },
            "x: when: expected a key with choices, steps or whole numbers, got rate",
        ),
        (
            {
                "x": Choices(values=(1, 2), when=when("y", 1)),
                "y": Choices(values=(1, 2), when=when("x", 1)),
                "z": KIND,
            },
            "x, y: when: each is there only where another of them is",
        ),
    ],
)
def test_conditions_that_cannot_be_are_refused(dimensions, text):
    with pytest.raises(ConfigError) as caught:
        Space(dimensions=dimensions)
    assert text in str(caught.value)


def test_a_grid_too_large_to_enumerate_is_refused():
    item = Interval(low=0, high=1, grid=50)
    space = Space(dimensions={f"k{place}": item for place in range(3)})
    with pytest.raises(ConfigError, match="a grid of up to 100000 points, got 125000"):
        space.grid()


def test_conditions_are_relative_to_their_own_group_and_survive_being_stored():
    mapping = {"low": 0.1, "high": 0.9, "when": {"nesterov": True, "model.depth": [2, 4]}}
    item = dimension("optimizer.momentum", mapping)
    assert item.when == (
        Condition(key="optimizer.nesterov", values=(True,)),
        Condition(key="model.depth", values=(2, 4)),
    )
    assert dimension("optimizer.momentum", range_mapping(item)) == item
    choices = dimension("objective.parameters.b", {"choices": [1], "when": {"parameters.a": "x"}})
    assert choices.when == (Condition(key="objective.parameters.a", values=("x",)),)
    assert dimension("objective.parameters.b", range_mapping(choices)) == choices
    assert str(choices) == "one of 1, where objective.parameters.a is x"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("nesterov", "when: expected a mapping of keys to values, got 'nesterov'"),
        ({"nesterov": []}, "when: expected a value of optimizer.nesterov, got none"),
        ({"nesterov": {"a": 1}}, "when: expected a value or a list of values"),
    ],
)
def test_conditions_without_meaning_are_refused(given, text):
    with pytest.raises(ValueError, match=text):
        dimension("optimizer.momentum", {"low": 0.1, "high": 0.9, "when": given})


def test_a_point_of_the_space_lacks_nothing_and_has_nothing_out_of_range():
    space = nested()
    assert all(space.holds(point) for point in space.grid())
    for values in (
        {"kind": "c"},
        {"kind": "a"},
        {"kind": "b", "flag": True},
        {"kind": "a", "flag": True, "size": 7},
        {},
    ):
        assert not space.holds(values)
