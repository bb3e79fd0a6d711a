"""Every precision: near full precision, isolated, and refused where the device lacks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selector.config.compute import Compute
from selector.config.schema import Data, RunConfig
from selector.errors import ConfigError
from selector.train import arithmetic, float8
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed

CPU = torch.device("cpu")
Configure = Callable[..., RunConfig]
#: Relative distance of a gradient from that in fp32; float8 keeps 3 and 2 bits of mantissa.
NEAR = {"bf16": 2e-2, "fp16": 2e-3, "float8": 0.15}
LOW = pytest.mark.parametrize("precision", NEAR)


@pytest.fixture
def corpus(prepared: tuple[Data, Path]) -> Corpus:
    return Corpus.open(*prepared)


def using(config: RunConfig, **compute: Any) -> RunConfig:
    return replace(config, compute=Compute(device="cpu", **compute))


def filled(configs: list[RunConfig], corpus: Corpus, steps: int = 40) -> tuple[Bank, Feed]:
    """A bank of these runs, with seeds 1, 2, 3 ..., and its feed."""
    bank = Bank(configs[0], len(configs), CPU)
    feed = Feed(corpus.part("train"), configs[0].batch, len(configs), CPU)
    for slot, config in enumerate(configs):
        bank.enter(slot, config, seed=slot + 1, steps=steps)
        feed.enter(slot, slot + 1)
    return bank, feed


def gradients(configs: list[RunConfig], corpus: Corpus) -> Tensor:
    bank, feed = filled(configs, corpus)
    bank.compute_gradients(feed.next())
    return bank.gradients


@LOW
@pytest.mark.parametrize("width", [1, 3])
def test_gradients_are_near_those_in_full_precision(
    configure: Configure, corpus: Corpus, precision: str, width: int
) -> None:
    config = configure(regularization={"dropout": 0.1})
    exact = gradients([config] * width, corpus)
    ours = gradients([using(config, precision=precision)] * width, corpus)
    assert ours.dtype == torch.float32
    for mine, theirs in zip(ours, exact, strict=True):
        distance = float((mine - theirs).norm() / theirs.norm())
        assert 1e-5 < distance < NEAR[precision]


@LOW
def test_a_diverging_neighbour_changes_nothing(
    configure: Configure, corpus: Corpus, precision: str
) -> None:
    calm = using(configure(), precision=precision)
    wild = using(configure(values={"lr": 1e30}), precision=precision)
    curves = []
    for neighbour in (calm, wild):
        bank, feed = filled([calm, neighbour, calm], corpus)
        for _ in range(20):
            bank.step(feed.next())
        curves.append(bank.drain()[0])
    assert np.isfinite(curves[0]).all()
    assert not np.isfinite(curves[1][:, 1]).all()
    assert np.array_equal(curves[0][:, [0, 2]], curves[1][:, [0, 2]])


@LOW
def test_training_falls_as_far_as_in_full_precision(
    configure: Configure, corpus: Corpus, precision: str
) -> None:
    last = []
    for config in (configure(), using(configure(), precision=precision)):
        bank, feed = filled([config], corpus)
        for _ in range(40):
            bank.step(feed.next())
        last.append(bank.drain()[0][-5:].mean())
    assert last[1] == pytest.approx(last[0], rel=2e-2)


def test_what_a_cpu_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="precision: tf32 has no effect on a CPU"):
        Compute(device="cpu", precision="tf32")
    with pytest.raises(ConfigError, match="tf32 has no effect on a CPU; fp32 works everywhere"):
        arithmetic.arithmetic(Compute(precision="tf32"), CPU)


@pytest.mark.parametrize(
    ("precision", "capability", "refused"),
    [
        ("tf32", (7, 5), True),
        ("bf16", (7, 5), True),
        ("float8", (8, 0), True),
        ("tf32", (8, 0), False),
    ],
)
def test_a_gpu_that_is_too_old_is_refused(
    monkeypatch: pytest.MonkeyPatch, precision: Any, capability: tuple[int, int], refused: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    reason = arithmetic.why_not(precision, torch.device("cuda"))
    assert ("needs an NVIDIA GPU of compute capability" in reason) is refused


def test_the_flag_of_tf32_is_set_for_a_pass_only_and_put_back_after_a_failure() -> None:
    ours = arithmetic.Arithmetic(precision="tf32", device=torch.device("cuda"))
    assert torch.get_float32_matmul_precision() == "highest"
    with ours.passes():
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == "highest"

    def fail() -> None:
        with ours.passes():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_matrix_that_float8_cannot_multiply_is_refused(configure: Configure) -> None:
    config = using(configure(model={"width": 24}), precision="float8")
    with pytest.raises(
        ConfigError, match=r"multiples of 16, and .* is 24 x .*; change model.width or"
    ):
        Bank(config, 1, CPU)


def test_a_product_in_float8_is_that_of_the_rounded_matrices_and_each_run_has_its_scale() -> None:
    x, weight = torch.randn(2, 33, 16), torch.randn(2, 48, 16)
    x[1] *= 1000
    product = float8.linear(x, weight, None).float()
    for slot in range(2):
        exact = x[slot] @ weight[slot].T
        assert float((product[slot] - exact).norm() / exact.norm()) < 0.05
        alone = float8.linear(x[slot], weight[slot], None).float()
        assert torch.equal(product[slot], alone)
