"""The table of pytorch_optimizer's algorithms against what is installed: all of them train."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_optimizer as po
import torch
from pytorch_optimizer.base.exception import NoClosureError
from pytorch_optimizer.optimizer import OPTIMIZERS

from selector.config import algorithms
from selector.config.schema import Data, RunConfig
from selector.train import checkpoint
from selector.train.bank import Bank
from selector.train.checkpoint import Snapshot
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.optimizer.settings import installed

CPU, SEED = torch.device("cpu"), 3
BEFORE, AFTER = 3, 2
LATE = {"adashift": 11, "radam": 6, "schedulefreeradam": 6}  # the first step that moves anything
USABLE = [name for name in algorithms.settings() if not algorithms.capability(name).refused]
#: One of each need, and of each form of a state: numbers, booleans, queues, lists, of a group.
EXAMPLES = {
    *(name for name in USABLE if name in algorithms.CAPABILITIES),
    *("adashift", "asgd", "dash", "madgrad", "muon", "sara", "soap"),
}
Configure = Callable[..., RunConfig]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """These libraries warn about each other and about PyTorch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def corpus(prepared: tuple[Data, Any]) -> Corpus:
    return Corpus.open(*prepared)


def test_names_and_settings_are_those_of_the_version_that_is_installed() -> None:
    assert version("pytorch_optimizer") == algorithms.VERSION
    assert algorithms.settings() == installed(), "python -m selector.train.optimizer.settings"


def test_every_optimizer_of_the_library_is_known() -> None:
    """Those in its dict by their settings; wrappers around others by a reason to refuse them."""
    kinds = {
        name.lower(): kind
        for name in dir(po)
        if inspect.isclass(kind := getattr(po, name)) and issubclass(kind, torch.optim.Optimizer)
    }
    wrappers = {name for name, kind in kinds.items() if kind not in OPTIMIZERS.values()}
    refused = {name for name in algorithms.CAPABILITIES if algorithms.capability(name).refused}
    assert wrappers <= refused
    assert set(algorithms.CAPABILITIES) - wrappers <= set(OPTIMIZERS)


def test_capabilities_are_those_of_the_classes() -> None:
    for name in USABLE:
        kind, own = OPTIMIZERS[name], algorithms.capability(name)
        assert own.switches is (hasattr(kind, "train") and hasattr(kind, "eval")), name
        parameters = inspect.signature(kind.__init__).parameters
        assert own.rate in parameters, name
        needed = [item for item in parameters.values() if item.default is item.empty][2:]
        assert [item.name for item in needed if item.kind is item.POSITIONAL_OR_KEYWORD] == (
            [own.steps] if own.steps else []
        ), name
        assert own.curvature is ("hessian" in inspect.signature(kind.step).parameters), name


def start(config: RunConfig, corpus: Corpus, steps: int = 0) -> tuple[Bank, Feed]:
    bank = Bank(config, 1, CPU)
    feed = Feed(corpus.part("train"), config.batch, 1, CPU)
    bank.enter(0, config, SEED, 20)
    feed.enter(0, SEED, steps)
    return bank, feed


def losses(bank: Bank, feed: Feed, steps: int) -> np.ndarray:
    for _ in range(steps):
        bank.step(feed.next())
    return bank.drain()[0][:, 0]


def small(configure: Configure, name: str) -> RunConfig:
    own = algorithms.capability(name)
    return configure(
        "library",
        {
            "algorithm": name,
            "lr": own.natural_rate or 1e-3,
            "weight_decay": 0.1 if "weight_decay" in algorithms.settings()[name] else 0.0,
        }
        | ({"weight_decay": 0.0} if own.one_group else {}),
        model={"depth": 1, "width": 8},
        batch={"micro_batch": 2},
        schedule={"name": "constant"},
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in EXAMPLES else [pytest.mark.slow]) for n in USABLE],
)
def test_it_trains_and_goes_on_from_its_state_bit_by_bit(
    configure: Configure, corpus: Corpus, tmp_path: Path, name: str
) -> None:
    config, own = small(configure, name), algorithms.capability(name)
    bank, feed = start(config, corpus)
    before = bank.parameters.clone()
    made = LATE.get(name, BEFORE)
    first = losses(bank, feed, made)
    assert np.isfinite(first).all()
    assert not torch.equal(bank.parameters, before)
    assert math.isfinite(sum(float(weight.sum()) for weight in bank.weights(0).values()))
    if own.no_state:
        with pytest.raises(ValueError, match="cannot be kept"):
            bank.state(0)
        return
    curve = [0.0] * made
    kept = Snapshot(config="c", state=bank.state(0), losses=curve, norms=curve, seconds=0.0)
    checkpoint.save_trunk(tmp_path, kept)
    expected = losses(bank, feed, AFTER)
    again, feed = start(config, corpus, made)
    again.restore(0, checkpoint.load_trunk(tmp_path).state)
    assert np.array_equal(losses(again, feed, AFTER), expected)
    assert torch.equal(again.parameters, bank.parameters)


@pytest.mark.parametrize("name", [name for name in USABLE if algorithms.capability(name).closure])
def test_what_is_said_to_need_a_closure_does(name: str) -> None:
    weight = torch.ones(2, requires_grad=True)
    weight.grad = torch.ones(2)
    own = OPTIMIZERS[name]([weight], **{algorithms.capability(name).rate: 0.1})
    with pytest.raises((NoClosureError, TypeError)):
        own.step()
