"""The order and the views of a row of parameters."""

from __future__ import annotations

import torch

from selector.train.layout import Layout, Parameter

PARAMETERS = [
    Parameter(name="table", shape=(5, 4), section="embedding"),
    Parameter(name="bias", shape=(4,), section="vector"),
    Parameter(name="out", shape=(4, 4), section="hidden"),
    Parameter(name="qkv", shape=(12, 4), section="hidden", stacked=3),
    Parameter(name="out_2", shape=(4, 4), section="hidden"),
]


def test_sections_follow_each_other_and_every_value_has_one_place() -> None:
    layout = Layout(PARAMETERS)
    assert [item.name for item in layout.parameters] == ["out", "out_2", "qkv", "table", "bias"]
    assert (layout.decayed_stop, layout.size) == (100, 104)
    row = torch.arange(layout.size)
    views = layout.views(row)
    assert {name: tuple(view.shape) for name, view in views.items()} == {
        item.name: item.shape for item in PARAMETERS
    }
    assert torch.equal(torch.cat([view.flatten() for view in views.values()]), row)
    assert all(view.data_ptr() >= row.data_ptr() for view in views.values()), "views, not copies"


def test_a_slot_of_a_view_is_contiguous() -> None:
    layout = Layout(PARAMETERS)
    views = layout.views(torch.zeros(3, layout.size))
    assert all(view[1:2].is_contiguous() for view in views.values())


def test_matrices_of_one_shape_are_found_together_and_stacked_ones_apart() -> None:
    layout = Layout(PARAMETERS)
    stacks = layout.stacks(dict.fromkeys(["out", "out_2", "qkv", "bias"], 0))
    assert [(item.start, item.stop, item.count, item.shape) for item in stacks] == [
        (0, 80, 5, (4, 4)),
        (100, 104, 1, (4,)),
    ]
    assert stacks[0].names == ("out", "out_2", "qkv")
    apart = layout.stacks({"out": 0, "out_2": 1, "qkv": 1})
    assert [(item.start, item.count, item.label) for item in apart] == [(0, 1, 0), (16, 4, 1)]
