"""Compiled passes: the same numbers, and what is missing is named."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selector.config.compute import Compute
from selector.config.schema import Data, RunConfig
from selector.errors import ConfigError
from selector.train import compiled
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed

CPU = torch.device("cpu")
#: torch 2.13's compiler uses what torch 2.13 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.timeout(600),
]
HERE = pytest.mark.skipif(bool(compiled.missing(CPU)), reason=compiled.missing(CPU))


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    expected = r"compute.compile: needs a C\+\+ compiler, and no-such-compiler is not found"
    with pytest.raises(ConfigError, match=expected):
        compiled.compiled(len, CPU)


def test_on_a_gpu_triton_and_a_c_compiler_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "needs the package triton" in compiled.missing(cuda)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CC", raising=False)
    assert "needs a C compiler, and gcc is not found" in compiled.missing(cuda)


def test_missing_headers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    assert "needs Python's headers" in compiled.missing(CPU)


@HERE
@pytest.mark.slow
@pytest.mark.parametrize(("width", "precision"), [(1, "fp32"), (2, "bf16"), (1, "float8")])
def test_compiled_curves_are_those_without(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Path], width: int, precision: Any
) -> None:
    corpus, curves = Corpus.open(*prepared), []
    switches = {"dropout": 0.2, "stochastic_depth": 0.1, "label_smoothing": 0.1, "z_loss": 1e-4}
    for compile_ in (False, True):
        compute = Compute(
            device="cpu", precision=precision, compile=compile_, activation_checkpointing=compile_
        )
        config = replace(configure(regularization=switches), compute=compute)
        bank, feed = Bank(config, width, CPU), Feed(corpus.part("train"), config.batch, width, CPU)
        for slot in range(width):
            bank.enter(slot, config, seed=slot, steps=20)
            feed.enter(slot, slot)
        for _ in range(20):
            bank.step(feed.next())
        curves.append(bank.drain()[0])
    tolerance = 1e-4 if precision == "fp32" else 2e-2
    np.testing.assert_allclose(curves[1], curves[0], rtol=tolerance)


@HERE
@pytest.mark.slow
def test_a_worker_compiles_for_one_run_after_another(
    configure: Callable[..., RunConfig],
    prepared: tuple[Data, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch compiles a few variants of a function; the run after them is compiled as the first."""
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)
    corpus = Corpus.open(*prepared)
    for run in range(3):
        model = {"width": 8 * (run + 1)}
        compute = Compute(device="cpu", compile=True)
        config = replace(configure(model=model), compute=compute)
        bank, feed = Bank(config, 1, CPU), Feed(corpus.part("train"), config.batch, 1, CPU)
        bank.enter(0, config, seed=1, steps=2)
        feed.enter(0, 1)
        before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        bank.step(feed.next())
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before + 1
