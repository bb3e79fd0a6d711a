"""Muon's own part: the orthogonalization, and torch's implementation of the rule."""

from __future__ import annotations

import pytest
import torch

from selector.train.layout import Layout
from selector.train.optimizer import OPTIMIZERS
from selector.train.optimizer.groups import grouped
from selector.train.optimizer.muon import orthogonalize
from tests.train.optimizer.references import PARAMETERS
from tests.train.optimizer.settings import settings


@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
def test_agrees_with_torchs_up_to_its_bfloat16(scale: str) -> None:
    layout = Layout(PARAMETERS)
    generator = torch.Generator().manual_seed(1)
    parameters = torch.randn(1, layout.size, generator=generator)
    gradients = torch.randn(1, layout.size, generator=generator)
    before = parameters.clone()
    weights = {name: view.clone() for name, view in layout.views(parameters[0]).items()}
    names = ("0.tall", "1.wide", "1.wide_too")
    for name, slope in layout.views(gradients[0]).items():
        weights[name].grad = slope.clone()
    values = {**settings("muon")[0], "lr": 0.02, "scale": scale}
    torch.optim.Muon(
        [weights[name] for name in names],
        lr=0.02,
        momentum=0.95,
        weight_decay=0.1,
        adjust_lr_fn=scale,
    ).step()
    groups = grouped(PARAMETERS, "muon", values)
    optimizer = OPTIMIZERS["muon"](layout, parameters, gradients, groups)
    optimizer.enter(0, values, groups)
    optimizer.step(torch.ones(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
    for name in names:
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


def test_zero_gradients_are_no_problem() -> None:
    assert torch.equal(orthogonalize(torch.zeros(1, 2, 4, 4)), torch.zeros(1, 2, 4, 4))
