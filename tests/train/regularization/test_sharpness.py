"""SAM's steps are those of its paper, and those of another implementation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from selector.config.schema import RunConfig
from selector.train.data.corpus import Corpus

STEPS = 20
Configure = Callable[..., RunConfig]


@pytest.mark.parametrize("values", [[0.1], [0.05, 0.3, 1.0]])
def test_the_gradient_is_that_of_a_step_uphill(
    with_sgd: Configure, corpus: Corpus, tools: Any, values: list[float]
) -> None:
    configs = [with_sgd(sam=rho, grad_clip=0.5) for rho in values]
    trained = tools.Trained(configs, STEPS, corpus)
    for place, rho, config in zip(trained.places, values, configs, strict=True):
        alone = tools.Alone(config, place + 5, corpus)
        parameters = list(alone.parameters.values())
        for step, loss in enumerate(alone.batches(STEPS)):
            reported = loss()
            first = torch.autograd.grad(reported, parameters)
            norm = torch.cat([gradient.flatten() for gradient in first]).norm()
            before = [parameter.detach().clone() for parameter in parameters]
            with torch.no_grad():
                for parameter, gradient in zip(parameters, first, strict=True):
                    parameter += rho * gradient / norm
            alone.optimizer.zero_grad()
            loss().backward()
            with torch.no_grad():
                for parameter, kept in zip(parameters, before, strict=True):
                    parameter.copy_(kept)
            clipped = torch.nn.utils.clip_grad_norm_(parameters, 0.5)
            alone.optimizer.step()
            assert trained.losses[step, place] == pytest.approx(reported.item(), rel=1e-6)
            assert trained.norms[step, place] == pytest.approx(float(clipped), rel=1e-6)
            tools.close(trained.weights(place, step + 1), alone.parameters)


def test_the_step_is_that_of_pytorch_optimizer(
    with_sgd: Configure, corpus: Corpus, tools: Any
) -> None:
    library = pytest.importorskip("pytorch_optimizer")
    config = with_sgd(sam=0.2)
    trained = tools.Trained([config], STEPS, corpus)
    alone = tools.Alone(config, 5, corpus)
    values = config.optimizer.values
    sam = library.SAM(
        alone.parameters.values(),
        torch.optim.SGD,
        rho=0.2,
        lr=values["lr"],
        momentum=values["momentum"],
        nesterov=values["nesterov"],
    )
    for loss in alone.batches(STEPS):
        loss().backward()
        sam.first_step(zero_grad=True)
        loss().backward()
        sam.second_step(zero_grad=True)
    tools.close(trained.weights(0, STEPS), alone.parameters, 1e-6)  # its norm is in fp32


def test_both_gradients_have_the_same_dropout_masks(
    with_sgd: Configure, corpus: Corpus, tools: Any
) -> None:
    plain = tools.Trained([with_sgd(dropout=0.3)], 1, corpus)
    none = tools.Trained([with_sgd(dropout=0.3, sam=1e-12)], 1, corpus)
    tools.close(none.weights(0, 1), plain.weights(0, 1))
