"""A bank in float64, and the same trainings written with torch alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selector.config.schema import Data, RunConfig
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.model import MODELS
from selector.train.objective import OBJECTIVES

CPU = torch.device("cpu")
#: Where three runs sit in a bank of four: one slot stays empty.
PLACES = (0, 2, 3)
Weights = dict[str, Tensor]


class Trained:
    """Runs in a bank: the weights of each after each step, from the initial ones on."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        steps: int,
        corpus: Corpus,
        seeds: Sequence[int] = PLACES,
    ) -> None:
        self.places = PLACES if len(configs) > 1 else (0,)
        width = 4 if len(configs) > 1 else 1
        self.bank = Bank(configs[0], width, CPU, torch.float64)
        feed = Feed(corpus.part("train"), configs[0].batch, width, CPU)
        for place, config, seed in zip(self.places, configs, seeds, strict=False):
            self.bank.enter(place, config, seed=seed + 5, steps=steps)
            feed.enter(place, seed + 5)
        self.rows = [self.bank.parameters.clone()]
        self.judged = [{place: self._judged(place) for place in self.places}]
        for _ in range(steps):
            self.bank.step(feed.next())
            self.rows.append(self.bank.parameters.clone())
            self.judged.append({place: self._judged(place) for place in self.places})
        self.losses, self.norms = self.bank.drain()
        if len(configs) > 1:
            assert not self.bank.parameters[1].any(), "the empty slot was touched"
            assert not self.bank.gradients[1].any()

    def weights(self, place: int, step: int) -> Weights:
        return self.bank.layout.views(self.rows[step][place])

    def _judged(self, place: int) -> Weights:
        return {name: weight.clone() for name, weight in self.bank.weights(place).items()}


class Alone:
    """One run with torch's SGD and autograd: parameters, and the loss of each step's windows."""

    def __init__(self, config: RunConfig, seed: int, corpus: Corpus) -> None:
        self.config = config
        bank = Bank(config, 1, CPU, torch.float64)
        bank.enter(0, config, seed, 1)
        row = bank.parameters[0].clone()
        self.parameters = {
            name: torch.nn.Parameter(view.clone()) for name, view in bank.layout.views(row).items()
        }
        self.matrices = {item.name for item in bank.layout.parameters if item.section != "vector"}
        values = config.optimizer.values
        self.optimizer = torch.optim.SGD(
            self.parameters.values(),
            lr=values["lr"],
            momentum=values["momentum"],
            nesterov=values["nesterov"],
        )
        self._feed = Feed(corpus.part("train"), config.batch, 1, CPU)
        self._feed.enter(0, seed)

    def batches(self, steps: int) -> Iterator[Callable[[], Tensor]]:
        """For each step, the function that gives the loss of its windows."""
        model = MODELS[self.config.model.family]
        objective = OBJECTIVES[self.config.objective.kind]
        for _ in range(steps):
            windows = self._feed.next()

            def loss(windows: Tensor = windows) -> Tensor:
                losses = []
                for part in windows:
                    inputs = objective.inputs(part)
                    logits = model.forward(self.parameters, inputs, self.config.model)
                    losses.append(objective.losses(logits, part)[0].sum())
                return torch.stack(losses).mean()

            yield loss

    def gradients(self) -> Sequence[Tensor]:
        return [weight.grad for weight in self.parameters.values() if weight.grad is not None]


@pytest.fixture
def corpus(prepared: tuple[Data, Path]) -> Corpus:
    return Corpus.open(*prepared)


@pytest.fixture
def with_sgd(configure: Callable[..., RunConfig]) -> Callable[..., RunConfig]:
    """Configurations whose every step can be written with torch.optim.SGD."""

    def build(**regularization: Any) -> RunConfig:
        return configure(
            "sgd",
            values={"lr": 0.2, "weight_decay": 0.0},
            batch={"micro_batch": 2, "accumulation": 2},
            schedule={"name": "constant", "warmup": 0.0},
            regularization={"grad_clip": 0.0, **regularization},
        )

    return build


def assert_close(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], share: float = 1e-9
) -> None:
    """Equal to `share` of each tensor's size."""
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        other = theirs[name].detach()
        assert float((weight - other).norm()) <= share * max(1e-3, float(other.norm())), name


@pytest.fixture
def tools() -> Any:
    """The classes and functions above: a test makes what it needs."""
    return type(
        "Tools", (), {"Trained": Trained, "Alone": Alone, "close": staticmethod(assert_close)}
    )
