"""Every optimizer against a reference, in float64, alone and in a bank with mixed settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from selector.train.layout import Layout, Parameter
from selector.train.optimizer import OPTIMIZERS
from selector.train.optimizer.muon import orthogonalize

PARAMETERS = [
    Parameter(name="tall", shape=(6, 4), section="hidden"),
    Parameter(name="wide", shape=(4, 6), section="hidden"),
    Parameter(name="table", shape=(5, 3), section="embedding"),
    Parameter(name="vector", shape=(7,), section="vector"),
]
STEPS = 20
Values = dict[str, Any]
ADAM: list[Values] = [
    {"lr": 3e-3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8},
    {"lr": 1e-2, "weight_decay": 0.0, "beta1": 0.8, "beta2": 0.999, "eps": 1e-4},
    {"lr": 1e-3, "weight_decay": 0.5, "beta1": 0.0, "beta2": 0.95, "eps": 1e-8},
]
SETTINGS: dict[str, list[Values]] = {
    "sgd": [
        {"lr": 0.1, "weight_decay": 1e-2, "momentum": 0.9, "nesterov": True},
        {"lr": 0.5, "weight_decay": 0.0, "momentum": 0.0, "nesterov": False},
        {"lr": 0.01, "weight_decay": 0.3, "momentum": 0.98, "nesterov": False},
    ],
    "adam": ADAM,
    "adamw": ADAM,
    "lion": [
        {"lr": 1e-3, "weight_decay": 0.6, "beta1": 0.9, "beta2": 0.98},
        {"lr": 1e-2, "weight_decay": 0.0, "beta1": 0.95, "beta2": 0.99},
        {"lr": 1e-4, "weight_decay": 1.0, "beta1": 0.5, "beta2": 0.5},
    ],
    "muon": [
        {
            "lr": lr,
            "weight_decay": decay,
            "momentum": momentum,
            "aux_lr_ratio": ratio,
            "aux_beta1": 0.9,
            "aux_beta2": 0.95,
            "aux_eps": 1e-8,
        }
        for lr, decay, momentum, ratio in [
            (0.02, 0.1, 0.95, 0.3),
            (0.005, 0.0, 0.9, 1.0),
            (0.1, 0.5, 0.5, 0.05),
        ]
    ],
}


def groups(weights: dict[str, Tensor], decay: float) -> list[dict[str, Any]]:
    """Parameter groups for torch: decay for matrices only."""
    return [
        {"params": [weight], "weight_decay": decay if weight.dim() > 1 else 0.0}
        for weight in weights.values()
    ]


def torch_step(name: str, weights: dict[str, Tensor], values: Values) -> Callable[[], None]:
    """The step of torch's own optimizer over `weights`, which hold their gradients."""
    decay = values["weight_decay"]
    if name == "sgd":
        return torch.optim.SGD(
            groups(weights, decay),
            lr=values["lr"],
            momentum=values["momentum"],
            nesterov=values["nesterov"],
        ).step
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    betas = (values["beta1"], values["beta2"])
    return kind(groups(weights, decay), lr=values["lr"], betas=betas, eps=values["eps"]).step


def lion_step(weights: dict[str, Tensor], values: Values) -> Callable[[], None]:
    """Algorithm 2 of arXiv 2302.06675, line by line."""
    momenta = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    def step() -> None:
        for name, weight in weights.items():
            gradient, momentum = weight.grad, momenta[name]
            assert gradient is not None
            update = values["beta1"] * momentum + (1 - values["beta1"]) * gradient
            decay = values["weight_decay"] if weight.dim() > 1 else 0.0
            weight.data -= values["lr"] * (torch.sign(update) + decay * weight.data)
            momenta[name] = values["beta2"] * momentum + (1 - values["beta2"]) * gradient

    return step


def muon_step(weights: dict[str, Tensor], values: Values) -> Callable[[], None]:
    """torch.optim.Muon's rule without its bfloat16 on hidden matrices, torch's AdamW elsewhere."""
    hidden = {name: weights[name] for name in ("tall", "wide")}
    momenta = {name: torch.zeros_like(weight) for name, weight in hidden.items()}
    auxiliary = {name: weight for name, weight in weights.items() if name not in hidden}
    adamw = torch_step(
        "adamw",
        auxiliary,
        {
            "lr": values["lr"] * values["aux_lr_ratio"],
            "weight_decay": values["weight_decay"],
            "beta1": values["aux_beta1"],
            "beta2": values["aux_beta2"],
            "eps": values["aux_eps"],
        },
    )

    def step() -> None:
        for name, weight in hidden.items():
            gradient, momentum = weight.grad, momenta[name]
            assert gradient is not None
            momentum.lerp_(gradient, 1 - values["momentum"])
            x = gradient.lerp(momentum, values["momentum"])
            rows, columns = x.shape
            x = x.T if rows > columns else x
            x = x / x.norm()
            for _ in range(5):
                gram = x @ x.T
                x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
            x = x.T if rows > columns else x
            weight.data *= 1 - values["lr"] * values["weight_decay"]
            weight.data -= values["lr"] * max(1, rows / columns) ** 0.5 * x
        adamw()

    return step


def reference(name: str, weights: dict[str, Tensor], values: Values) -> Callable[[], None]:
    if name == "lion":
        return lion_step(weights, values)
    return muon_step(weights, values) if name == "muon" else torch_step(name, weights, values)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_the_reference_in_every_slot(name: str, slots: int) -> None:
    layout = Layout(PARAMETERS)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(slots, layout.size, generator=generator, dtype=torch.float64)
    parameters, gradients = start.clone(), torch.zeros_like(start)
    optimizer = OPTIMIZERS[name](layout, parameters, gradients)
    steps = []
    for slot, values in enumerate(SETTINGS[name][:slots]):
        optimizer.enter(slot, values)
        row = start[slot].clone()
        weights = layout.views(row)
        slopes = torch.zeros_like(row)
        for item, slope in layout.views(slopes).items():
            weights[item].grad = slope
        steps.append((row, slopes, reference(name, weights, values)))
    active = torch.ones(slots, dtype=torch.bool)
    for count in range(1, STEPS + 1):
        drawn = torch.randn(slots, layout.size, generator=generator, dtype=torch.float64)
        gradients.copy_(drawn)
        optimizer.step(torch.ones(slots), torch.full((slots,), count), active)
        for slot, (_, slopes, step) in enumerate(steps):
            slopes.copy_(drawn[slot])
            step()
    for slot, (row, _, _) in enumerate(steps):
        torch.testing.assert_close(parameters[slot], row, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_inactive_slot_does_not_change(name: str) -> None:
    layout = Layout(PARAMETERS)
    parameters = torch.zeros(2, layout.size)
    gradients = torch.zeros_like(parameters)
    optimizer = OPTIMIZERS[name](layout, parameters, gradients)
    parameters[0] = 1.0
    optimizer.enter(0, SETTINGS[name][0])
    active = torch.tensor([True, False])
    for count in (1, 2):
        gradients[0] = torch.linspace(-1, 1, layout.size)
        optimizer.step(torch.ones(2), torch.tensor([count, 0]), active)
    assert not parameters[0].eq(1.0).any()
    assert torch.equal(parameters[1], torch.zeros(layout.size))
    assert all(torch.equal(state[1], parameters[1]) for state in optimizer.state.values())


def test_pieces_smaller_than_a_row_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(PARAMETERS)
    results = []
    for size in (5, 1_000_000):
        monkeypatch.setattr("selector.train.optimizer.base._PIECE", size)
        parameters = torch.linspace(-1, 1, layout.size).unsqueeze(0)
        gradients = parameters.sin()
        optimizer = OPTIMIZERS["adamw"](layout, parameters, gradients)
        optimizer.enter(0, ADAM[0])
        optimizer.step(torch.ones(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
        results.append(parameters)
    assert torch.equal(*results)


def test_muon_agrees_with_torchs_up_to_its_bfloat16() -> None:
    layout = Layout(PARAMETERS)
    generator = torch.Generator().manual_seed(1)
    parameters = torch.randn(1, layout.size, generator=generator)
    gradients = torch.randn(1, layout.size, generator=generator)
    before = parameters.clone()
    weights = {name: view.clone() for name, view in layout.views(parameters[0]).items()}
    hidden = [weights["tall"], weights["wide"]]
    for name, slope in layout.views(gradients[0]).items():
        weights[name].grad = slope.clone()
    values = {**SETTINGS["muon"][0], "lr": 0.02}
    torch.optim.Muon(hidden, lr=0.02, momentum=0.95, weight_decay=0.1).step()
    optimizer = OPTIMIZERS["muon"](layout, parameters, gradients)
    optimizer.enter(0, values)
    optimizer.step(torch.ones(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
    for name in ("tall", "wide"):
        ours = layout.views(parameters[0] - before[0])[name]
        theirs = weights[name] - layout.views(before[0])[name]
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (16, 16)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(2, 3, *shape, generator=generator)
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.shape[:2] == (2, 3)
    assert values.max() < 1.3
    assert values.median() > 0.6
    alone = orthogonalize(matrices[1:, 2:])
    torch.testing.assert_close(orthogonalize(matrices)[1:, 2:], alone)


def test_zero_gradients_are_no_problem_for_muon() -> None:
    assert torch.equal(orthogonalize(torch.zeros(1, 2, 4, 4)), torch.zeros(1, 2, 4, 4))
