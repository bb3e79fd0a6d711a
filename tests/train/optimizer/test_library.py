"""Optimizers of kept libraries: the library's own numbers, driven by our banks."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from inspect import signature
from typing import Any

import numpy as np
import pytest
import pytorch_optimizer as po
import schedulefree
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from selector.config import algorithms, extras
from selector.config.schema import Data, RunConfig
from selector.errors import ConfigError
from selector.launch.usable import refuse_unusable
from selector.track.run import Run
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.loop import train
from selector.train.optimizer.drawing import drawn_from
from selector.train.optimizer.tier_2 import TIER_2
from selector.train.regularization.loss import cross_entropy

CPU = torch.device("cpu")
STEPS, SEED = 20, 7
NAMED = [name for name in TIER_2 if name != "library"]
Values = Mapping[str, Any]
Configure = Callable[..., RunConfig]

#: The library's class as its own documentation has it used, with what our YAML file says.
BY_HAND: dict[str, Callable[[list[dict[str, Any]], Values], Any]] = {
    "soap": lambda groups, v: po.SOAP(
        groups,
        betas=(v["beta1"], v["beta2"]),
        shampoo_beta=v["shampoo_beta"],
        precondition_frequency=v["precondition_frequency"],
    ),
    "shampoo": lambda groups, v: po.ScalableShampoo(
        groups,
        betas=(v["beta1"], v["beta2"]),
        moving_average_for_momentum=True,
        decoupled_weight_decay=True,
        start_preconditioning_step=v["start_preconditioning_step"],
        preconditioning_compute_steps=v["precondition_frequency"],
        skip_preconditioning_rank_lt=2,
        shape_interpretation=False,
        graft_type=po.optimizer.utils.graft.LayerWiseGrafting.RMSPROP,
        nesterov=False,
        diagonal_eps=v["eps"],
    ),
    "schedule_free_adamw": lambda groups, v: schedulefree.AdamWScheduleFree(
        groups, betas=(v["beta1"], v["beta2"])
    ),
    "schedule_free_sgd": lambda groups, v: schedulefree.SGDScheduleFree(
        groups, momentum=v["momentum"]
    ),
    "prodigy": lambda groups, v: po.Prodigy(
        groups, betas=(v["beta1"], v["beta2"]), bias_correction=True, safeguard_warmup=True
    ),
    "ademamix": lambda groups, v: po.AdEMAMix(
        groups,
        betas=(v["beta1"], v["beta2"], v["beta3"]),
        alpha=v["alpha"],
        t_alpha_beta3=STEPS,
        weight_decouple=True,
    ),
    "mars": lambda groups, v: po.MARS(
        groups,
        lr=v["lr"],
        lr_1d=v["lr"] * v["lr_1d_ratio"],
        betas=(v["beta1"], v["beta2"]),
        weight_decay_1d=0.0,
    ),
    "sophia": lambda groups, v: po.SophiaH(groups, betas=(v["beta1"], v["beta2"])),
    "lamb": lambda groups, v: po.Lamb(groups, betas=(v["beta1"], v["beta2"])),
}


class FedBank:
    """A bank of one run with its feed."""

    def __init__(
        self, config: RunConfig, corpus: Corpus, dtype: torch.dtype = torch.float32
    ) -> None:
        self.bank = Bank(config, 1, CPU, dtype)
        self.feed = Feed(corpus.part("train"), config.batch, 1, CPU)
        self.bank.enter(0, config, SEED, STEPS)
        self.feed.enter(0, SEED)

    def losses(self, steps: int) -> np.ndarray:
        """[steps]."""
        for _ in range(steps):
            self.bank.step(self.feed.next())
        return self.bank.drain()[0][:, 0]


@pytest.fixture
def corpus(prepared: tuple[Data, Any]) -> Corpus:
    return Corpus.open(*prepared)


def by_hand(config: RunConfig, start: FedBank) -> tuple[dict[str, Tensor], Any]:
    """Train with plain tensors and the library's optimizer, from the bank's initial weights.

    The three matrices of a fused projection are parameters of their own.
    """
    bank, values = start.bank, config.optimizer.values
    shapes = {item.name: item for item in bank.layout.parameters}
    parts = {
        name: [part.clone().requires_grad_() for part in weight.chunk(shapes[name].stacked)]
        for name, weight in bank.weights(0).items()
    }
    leaves = [part for own in parts.values() for part in own]
    groups = []
    for section in ("hidden", "embedding", "vector"):  # the head is tied
        own = [part for name in parts if shapes[name].section == section for part in parts[name]]
        decay = 0.0 if section == "vector" else values["weight_decay"]
        groups.append({"params": own, "lr": values["lr"], "weight_decay": decay})
    optimizer = BY_HAND[config.optimizer.name](groups, values)
    hessian = config.optimizer.name == "sophia"
    if hasattr(optimizer, "train"):
        optimizer.train()
    for step in range(STEPS):
        windows = start.feed.next()[0]
        weights = {name: torch.cat(own) for name, own in parts.items()}
        with sdpa_kernel(SDPBackend.MATH) if hessian else nullcontext():
            logits = bank.model.forward(weights, windows[..., :-1], config.model)
            loss = cross_entropy(logits.unsqueeze(0), windows[..., 1:].flatten(1)).sum()
            slopes = torch.autograd.grad(loss, leaves, create_graph=hessian)
        for leaf, slope in zip(leaves, slopes, strict=True):
            leaf.grad = slope
        if clip := config.regularization.grad_clip:
            torch.nn.utils.clip_grad_norm_(leaves, clip)
        for group in optimizer.param_groups:
            group["lr"] = values["lr"] * float(bank.factors[0, step])
        torch.manual_seed(zlib.crc32(f"{SEED}/{step + 1}".encode()))
        optimizer.step()
    if hasattr(optimizer, "eval"):
        optimizer.eval()
    return {name: torch.cat(own).detach() for name, own in parts.items()}, optimizer


@pytest.mark.filterwarnings("ignore:Using backward\\(\\) with create_graph")
@pytest.mark.parametrize("name", NAMED)
def test_the_numbers_are_those_of_the_library_driven_by_hand(
    configure: Configure, corpus: Corpus, name: str
) -> None:
    # Without biases: a key's has no gradient but rounding, which Sophia divides by itself.
    model = {"depth": 1, "width": 8, "bias": False}
    # SOAP's basis of a space without gradients is arbitrary: it needs the same bits.
    clip = {"grad_clip": 0.0 if name == "soap" else 1.0}
    config = configure(name, model=model, batch={"micro_batch": 2}, regularization=clip)
    run = FedBank(config, corpus, torch.float64)
    before = {key: weight.clone() for key, weight in run.bank.weights(0).items()}
    expected, _ = by_hand(config, FedBank(config, corpus, torch.float64))
    run.losses(STEPS)
    for key, weight in run.bank.weights(0).items():
        torch.testing.assert_close(weight, expected[key], rtol=1e-9, atol=1e-12, msg=key)
    moved = sum(not torch.allclose(expected[key], before[key], rtol=1e-4) for key in before)
    assert moved > len(before) / 2


@pytest.mark.parametrize("name", NAMED)
def test_a_small_decoder_learns(configure: Configure, corpus: Corpus, name: str) -> None:
    schedule = {"name": "constant", "warmup": 0.1}
    values = {"d0": 1e-3} if name == "prodigy" else {}  # as if it had searched for a while
    run = FedBank(configure(name, values, batch={"micro_batch": 8}, schedule=schedule), corpus)
    losses = run.losses(STEPS)
    assert losses[-3:].mean() < losses[:3].mean() - 0.05


@pytest.mark.parametrize("name", NAMED)
def test_every_setting_of_the_library_is_given(configure: Configure, name: str) -> None:
    kind, values = TIER_2[name], configure(name).optimizer.values
    given = kind.arguments(kind.__new__(kind), values, STEPS)
    if kind.package == "pytorch_optimizer":
        assert given.keys() == algorithms.settings()[kind.algorithm].keys() - {"weight_decay"}
    else:
        known = {"params", "lr", "weight_decay", "foreach"}
        assert given.keys() == set(signature(getattr(schedulefree, kind.named)).parameters) - known
    assert algorithms.ALGORITHMS[name] == kind.algorithm


@pytest.mark.parametrize("name", ["schedule_free_adamw", "schedule_free_sgd"])
def test_judging_between_steps_changes_no_bit_of_the_training(
    configure: Configure, corpus: Corpus, name: str
) -> None:
    config = configure(name)
    alone, judged = FedBank(config, corpus), FedBank(config, corpus)
    expected = alone.losses(STEPS)
    found = []
    for _ in range(STEPS):
        found.append(judged.losses(1))
        weights = judged.bank.weights(0)
    assert np.array_equal(np.concatenate(found), expected)
    assert torch.equal(judged.bank.parameters, alone.bank.parameters)
    trained = judged.bank.layout.views(judged.bank.parameters[0])
    assert any(not torch.equal(weights[key], trained[key]) for key in trained)


def test_what_a_library_draws_follows_from_the_runs_seed(
    configure: Configure, corpus: Corpus
) -> None:
    config = configure("sophia")
    torch.manual_seed(1)
    first = FedBank(config, corpus).losses(5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert np.array_equal(FedBank(config, corpus).losses(5), first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["ademamix", "mars", "lamb", "library"])
def test_vectors_get_no_weight_decay(configure: Configure, corpus: Corpus, name: str) -> None:
    values: dict[str, Any] = {"weight_decay": 0.5}
    if name == "library":
        values |= {"algorithm": "adan", "settings": {"weight_decouple": True}}
    bank = FedBank(configure(name, values), corpus).bank
    before = {key: weight.clone() for key, weight in bank.weights(0).items()}
    one = torch.ones(1)
    bank.gradients.zero_()
    bank.optimizer.step(one, one.long(), one.bool())
    for item in bank.layout.parameters:
        same = torch.equal(bank.weights(0)[item.name], before[item.name])
        assert same is (item.section == "vector"), item.name


def test_it_trains_one_run_at_a_time(configure: Configure) -> None:
    with pytest.raises(ValueError, match="unbanked: expected one slot, got 2"):
        Bank(configure("soap"), 2, CPU)


@pytest.mark.parametrize("name", ["soap", "schedule_free_sgd", "library"])
def test_a_missing_library_is_named_before_a_run(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = configure(name)
    refuse_unusable(config)
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    named = "adan" if name == "library" else name
    with pytest.raises(ConfigError, match=rf"optimizer {named} .*'selector\[optimizers\]'"):
        refuse_unusable(config)
    with pytest.raises(ConfigError, match="is not installed here"):  # in a worker elsewhere
        Bank(config, 1, CPU).enter(0, config, 1, 1)


def test_values_that_the_library_refuses_are_named_before_a_run(configure: Configure) -> None:
    config = configure("library", {"settings": {"betas": (0.9, 1.5, 0.9)}})
    with pytest.raises(ConfigError, match="refuses adan: beta2"):
        refuse_unusable(config)


def test_runs_that_are_not_banked_train_one_after_the_other(
    configure: Configure, prepared: tuple[Data, Any], recorder: Callable[..., Any]
) -> None:
    config = configure("schedule_free_sgd")
    runs = [
        Run(
            key=f"r{seed}",
            config=config,
            seed=seed,
            stage="explore",
            tokens=640,
            data_folder=prepared[1],
        )
        for seed in (1, 2)
    ]
    kept, alone = recorder(), recorder()
    train(runs, kept, "cpu")
    train(runs[1:], alone, "cpu")
    assert [key for key, _ in kept.ended] == ["r1", "r2"]
    assert {ended.facts["width"] for _, ended in kept.ended} == {1}
    assert kept.curve("r2", "validation/loss") == alone.curve("r2", "validation/loss")


def test_what_a_library_draws_follows_from_run_and_step_alone() -> None:
    def drawn(seed: int, step: int) -> tuple[float, float, float]:
        with drawn_from(seed, step, torch.device("cpu")):
            return float(torch.rand(())), float(np.random.random()), random.random()

    before = (torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate())
    assert drawn(1, 2) == drawn(1, 2)
    assert not set(drawn(1, 2)) & {*drawn(1, 3), *drawn(2, 2)}
    assert torch.equal(before[0], torch.get_rng_state())
    assert str(before[1]) == str(np.random.get_state(legacy=False))
    assert before[2] == random.getstate()
