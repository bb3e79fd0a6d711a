"""The rate falls from the head to the embeddings, block by block: torch with a group for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from selector.config.schema import RunConfig
from selector.train.data.corpus import Corpus

STEPS, DEPTH = 20, 2
Configure = Callable[..., RunConfig]


def below_the_head(name: str) -> int:
    """How many layers there are from the parameter to the head."""
    if name in ("token_embedding", "position_embedding"):
        return DEPTH + 1
    block = name.partition(".")[0]
    return DEPTH - int(block) if block.isdigit() else 0


@pytest.mark.parametrize("values", [[0.8], [0.5, 0.8, 0.95]])
def test_each_layer_has_the_rate_of_the_one_above_times_the_share(
    with_sgd: Configure, corpus: Corpus, tools: Any, values: list[float]
) -> None:
    configs = [with_sgd(layer_rate_decay=value) for value in values]
    trained = tools.Trained(configs, STEPS, corpus)
    for place, value, config in zip(trained.places, values, configs, strict=True):
        alone = tools.Alone(config, place + 5, corpus)
        rate = config.optimizer.values["lr"]
        optimizer = torch.optim.SGD(
            [
                {"params": [parameter], "lr": rate * value ** below_the_head(name)}
                for name, parameter in alone.parameters.items()
            ],
            momentum=config.optimizer.values["momentum"],
            nesterov=config.optimizer.values["nesterov"],
        )
        for loss in alone.batches(STEPS):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        tools.close(trained.weights(place, STEPS), alone.parameters)
