"""Every rule against a reference, in float64, alone and in a bank with mixed settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from selector.train.layout import Layout
from selector.train.optimizer import OPTIMIZERS
from selector.train.optimizer.groups import Group, grouped
from tests.train.defaults import BANKED
from tests.train.optimizer.references import PARAMETERS, Values, reference
from tests.train.optimizer.settings import settings

STEPS = 20


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """torch keeps some scalars of an optimizer's state in the default arithmetic."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_equals_the_reference(
    name: str, runs: list[tuple[Values, list[Group]]], factor: float = 1.0
) -> None:
    """Train a bank of `runs` and each run by its reference, on equal gradients."""
    slots, layout = len(runs), Layout(PARAMETERS)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(slots, layout.size, generator=generator)
    parameters, gradients = start.clone(), torch.zeros_like(start)
    optimizer = OPTIMIZERS[name](layout, parameters, gradients, runs[0][1])
    steps = []
    for slot, (values, groups) in enumerate(runs):
        optimizer.enter(slot, values, groups)
        row, slopes = start[slot].clone(), torch.zeros_like(start[slot])
        weights = layout.views(row)
        for item, slope in layout.views(slopes).items():
            weights[item].grad = slope
        scaled = {**values, "lr": values["lr"] * factor}
        if values["decay_rule"] == "independent":
            scaled["weight_decay"] = values["weight_decay"] * factor
        steps.append((row, slopes, reference(name, weights, scaled, groups)))
    active = torch.ones(slots, dtype=torch.bool)
    for count in range(1, STEPS + 1):
        drawn = torch.randn(slots, layout.size, generator=generator)
        gradients.copy_(drawn)
        optimizer.step(torch.full((slots,), factor), torch.full((slots,), count), active)
        for slot, (_, slopes, step) in enumerate(steps):
            slopes.copy_(drawn[slot])
            step()
    for slot, (row, _, _) in enumerate(steps):
        assert not torch.allclose(row, start[slot], rtol=1e-4), "the rule changes parameters"
        torch.testing.assert_close(parameters[slot], row, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("name", BANKED)
def test_equals_the_reference_in_every_slot(name: str, slots: int) -> None:
    runs = [(values, grouped(PARAMETERS, name, values)) for values in settings(name)[:slots]]
    assert_equals_the_reference(name, runs, factor=0.5)


@pytest.mark.parametrize("name", BANKED)
def test_equals_torchs_parameter_groups_where_rates_differ_by_width_and_block(name: str) -> None:
    widths = {"hidden": 0.25, "head": 0.25, "embedding": 2.0, "vector": 1.0}
    runs = [
        (
            values,
            grouped(
                PARAMETERS,
                name,
                {**values, "decay_embeddings": False},
                widths=widths,
                layers={-1: base**3, 0: base**2, 1: base, 2: 1.0},
            ),
        )
        for values, base in zip(settings(name), (0.8, 0.5, 0.9), strict=True)
    ]
    assert_equals_the_reference(name, runs)


@pytest.mark.parametrize("name", BANKED)
def test_an_inactive_slot_does_not_change(name: str) -> None:
    torch.set_default_dtype(torch.float32)
    layout, values = Layout(PARAMETERS), settings(name)[0]
    groups = grouped(PARAMETERS, name, values)
    parameters = torch.zeros(3, layout.size)
    gradients = torch.zeros_like(parameters)
    optimizer = OPTIMIZERS[name](layout, parameters, gradients, groups)
    parameters[0] = parameters[2] = 1.0
    optimizer.enter(0, values, groups)
    optimizer.enter(2, settings(name)[2], groups)
    optimizer.leave(2)
    parameters[2] = 0.0
    active = torch.tensor([True, False, False])
    for count in (1, 2):
        gradients[0] = torch.linspace(-1, 1, layout.size)
        optimizer.step(torch.ones(3), torch.tensor([count, 0, 0]), active)
    assert not parameters[0].eq(1.0).any()
    zero = torch.zeros(layout.size)
    for slot in (1, 2):
        assert torch.equal(parameters[slot], zero)
        assert all(not item.any() for item in optimizer.tensors(slot).values())


@pytest.mark.parametrize("name", BANKED)
def test_state_is_named_and_lets_a_run_go_on_in_another_slot(name: str) -> None:
    layout, values = Layout(PARAMETERS), settings(name)[1]
    groups = grouped(PARAMETERS, name, values)
    generator = torch.Generator().manual_seed(3)
    start = torch.randn(layout.size, generator=generator)
    drawn = torch.randn(6, layout.size, generator=generator)

    def step(optimizer: object, rows: Tensor, slot: int, count: int) -> None:
        active = torch.zeros(len(rows), dtype=torch.bool)
        active[slot] = True
        optimizer.gradients.zero_()  # type: ignore[attr-defined]
        optimizer.gradients[slot] = drawn[count - 1]  # type: ignore[attr-defined]
        counts = torch.full((len(rows),), count) * active
        optimizer.step(torch.ones(len(rows)), counts, active)  # type: ignore[attr-defined]

    first = torch.zeros(1, layout.size)
    first[0] = start
    alone = OPTIMIZERS[name](layout, first, torch.zeros_like(first), groups)
    alone.enter(0, values, groups)
    for count in (1, 2, 3):
        step(alone, first, 0, count)
    second = torch.zeros(3, layout.size)
    second[2] = first[0]
    bank = OPTIMIZERS[name](layout, second, torch.zeros_like(second), groups)
    bank.enter(2, values, groups)
    kept = alone.tensors(0)
    targets = bank.tensors(2)
    assert {key: item.shape for key, item in kept.items()} == {
        key: item.shape for key, item in targets.items()
    }
    for key, target in targets.items():
        target.copy_(kept[key])
    for count in (4, 5, 6):
        step(alone, first, 0, count)
        step(bank, second, 2, count)
    torch.testing.assert_close(second[2], first[0], rtol=1e-12, atol=1e-12)


def test_pieces_smaller_than_a_row_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, values = Layout(PARAMETERS), settings("adamw")[0]
    groups = grouped(PARAMETERS, "adamw", values)
    results = []
    for size in (5, 1_000_000):
        monkeypatch.setattr("selector.train.optimizer.base._PIECE", size)
        parameters = torch.linspace(-1, 1, layout.size).unsqueeze(0)
        gradients = parameters.sin()
        optimizer = OPTIMIZERS["adamw"](layout, parameters, gradients, groups)
        optimizer.enter(0, values, groups)
        optimizer.step(torch.ones(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
        results.append(parameters)
    assert torch.equal(*results)
