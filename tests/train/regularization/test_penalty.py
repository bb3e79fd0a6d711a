"""L1 and clipping by value in whole trainings, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from selector.config.schema import RunConfig
from selector.train.data.corpus import Corpus
from selector.train.regularization.penalty import add_l1

STEPS = 20
Configure = Callable[..., RunConfig]


@pytest.mark.parametrize("values", [[1e-3], [1e-4, 1e-3, 1e-2]])
def test_the_sizes_of_the_matrices_are_part_of_the_loss(
    with_sgd: Configure, corpus: Corpus, tools: Any, values: list[float]
) -> None:
    configs = [with_sgd(l1=value) for value in values]
    trained = tools.Trained(configs, STEPS, corpus)
    for place, value, config in zip(trained.places, values, configs, strict=True):
        alone = tools.Alone(config, place + 5, corpus)
        for step, loss in enumerate(alone.batches(STEPS)):
            alone.optimizer.zero_grad()
            plain = loss()
            sizes = [alone.parameters[name].abs().sum() for name in alone.matrices]
            (plain + value * torch.stack(sizes).sum()).backward()
            alone.optimizer.step()
            assert trained.losses[step, place] == pytest.approx(plain.item(), rel=1e-6)
            tools.close(trained.weights(place, step + 1), alone.parameters)


def test_a_weight_of_zero_is_not_pulled() -> None:
    gradients = torch.zeros(2, 3)
    add_l1(gradients, torch.tensor([[-2.0, 0.0, 0.5]] * 2), torch.tensor([0.5, 0.0]))
    assert gradients.tolist() == [[-0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("values", [[0.02], [0.005, 0.02, 0.1]])
def test_values_of_the_gradient_are_cut_after_its_norm(
    with_sgd: Configure, corpus: Corpus, tools: Any, values: list[float]
) -> None:
    configs = [with_sgd(grad_clip_value=value, grad_clip=0.9) for value in values]
    trained = tools.Trained(configs, STEPS, corpus)
    for place, value, config in zip(trained.places, values, configs, strict=True):
        alone = tools.Alone(config, place + 5, corpus)
        cut = 0
        for step, loss in enumerate(alone.batches(STEPS)):
            alone.optimizer.zero_grad()
            loss().backward()
            norm = torch.nn.utils.clip_grad_norm_(alone.parameters.values(), 0.9)
            cut += sum(int((gradient.abs() > value).sum()) for gradient in alone.gradients())
            torch.nn.utils.clip_grad_value_(alone.parameters.values(), value)
            alone.optimizer.step()
            assert trained.norms[step, place] == pytest.approx(float(norm), rel=1e-6)
            tools.close(trained.weights(place, step + 1), alone.parameters)
        assert cut > 0, "nothing was cut: the test shows nothing"
