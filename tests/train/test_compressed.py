"""Smaller copies of a result: what is zeroed, what is rounded, what it costs, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.compute import Compute
from selector.config.schema import Data, RunConfig
from selector.track.run import Run
from selector.train import checkpoint, compressed
from selector.train.compressed import Rounded
from selector.train.loop import train

Configure = Callable[..., RunConfig]


def test_the_smallest_of_all_hidden_weights_become_zero() -> None:
    weights = {
        "a": torch.tensor([[0.1, -5.0], [0.2, 3.0]]),
        "b": torch.tensor([[-0.15, 4.0]]),
        "table": torch.tensor([[0.01, 0.02]]),
    }
    kept = compressed.pruned(weights, ["a", "b"], 0.5)
    assert kept["a"].tolist() == [[0.0, -5.0], [0.0, 3.0]]
    assert kept["b"].tolist() == [[0.0, 4.0]]
    assert kept["table"] is weights["table"]
    assert weights["a"][0, 0] == pytest.approx(0.1)


def test_equal_magnitudes_are_pruned_to_the_share_all_the_same() -> None:
    kept = compressed.pruned({"a": torch.ones(4, 5)}, ["a"], 0.3)
    assert int(kept["a"].count_nonzero()) == 14


def test_rounded_products_are_those_of_integers() -> None:
    x, weight, bias = torch.randn(8, 32), torch.randn(24, 32), torch.randn(24)
    rounded = Rounded({"w": weight}, ["w"])
    assert not rounded.complete
    product = rounded.linear(x, weight, bias)
    assert rounded.complete
    exact = x @ weight.T + bias
    assert 1e-4 < float((product - exact).norm() / exact.norm()) < 2e-2
    scales = x.abs().amax(1, keepdim=True) / 127, weight.abs().amax(1, keepdim=True) / 127
    whole = [
        (part / scale).round().to(torch.int8)
        for part, scale in zip((x, weight), scales, strict=True)
    ]
    integers = torch._int_mm(whole[0].repeat(4, 1), whole[1].T)[:8]
    torch.testing.assert_close(product, integers * scales[0] * scales[1].T + bias)
    other = torch.randn(24, 32)
    assert torch.equal(rounded.linear(x, other, None), x @ other.T)


@pytest.fixture
def judged(
    configure: Configure, prepared: tuple[Data, Path], recorder: Any, tmp_path: Path
) -> Callable[..., dict[str, float]]:
    """The last metrics of a short run of a stage, trained in a folder of this name."""

    def make(name: str, stage: str = "single", **compute: Any) -> dict[str, float]:
        config = replace(configure(), compute=Compute(device="cpu", **compute))
        seen = recorder()
        run = Run(
            key="run",
            config=config,
            seed=1,
            stage=stage,
            tokens=60 * config.batch.tokens_per_step,
            folder=tmp_path / name,
            data_folder=prepared[1],
        )
        train([run], seen, "cpu")
        return dict(seen.reports[-1][2])

    return make


def test_a_judged_run_tells_what_compressing_costs_and_keeps_its_weights(
    judged: Callable[..., dict[str, float]], tmp_path: Path
) -> None:
    plain = judged("plain")
    metrics = judged("both", prune=0.9, quantize="int8")
    assert not any("pruned" in name or "bytes" in name for name in plain if "per_byte" not in name)
    assert metrics["validation/loss"] == plain["validation/loss"]
    assert metrics["pruned/loss"] > metrics["validation/loss"] + 0.01
    assert metrics["quantized/loss"] == pytest.approx(metrics["validation/loss"], abs=0.02)
    assert metrics["quantized/loss"] != metrics["validation/loss"]
    weights, _ = checkpoint.load(tmp_path / "both")
    hidden = 2 * (3 + 1 + 4 + 4) * 16 * 16
    rest = sum(weight.numel() for weight in weights.values()) - hidden
    assert metrics["whole/bytes"] == 4 * (hidden + rest)
    assert metrics["pruned/bytes"] == 4 * (rest + hidden - round(0.9 * hidden)) + hidden / 8
    assert metrics["quantized/bytes"] == 4 * (rest + 2 * (3 + 1 + 4 + 1) * 16) + hidden
    other, _ = checkpoint.load(tmp_path / "plain")
    assert all(torch.equal(weight, other[name]) for name, weight in weights.items())


def test_a_run_of_the_search_is_not_compressed(judged: Callable[..., dict[str, float]]) -> None:
    metrics = judged("explore", stage="explore", prune=0.5, quantize="int8")
    assert not any(name.startswith(("pruned", "quantized", "whole")) for name in metrics)
