"""What a machine lacks is found before any run is made."""

from __future__ import annotations

import pytest
import torch

from selector.config.single import compose_single
from selector.errors import ConfigError
from selector.launch.usable import refuse_unusable


def refused(*overrides: str) -> list[str]:
    config = compose_single({}, list(overrides), "").config
    try:
        refuse_unusable(config)
    except ConfigError as error:
        return list(error.mistakes)
    return []


@pytest.mark.skipif(torch.accelerator.is_available(), reason="about a machine without a GPU")
def test_a_device_and_a_precision_that_are_not_here_are_refused() -> None:
    assert refused("compute.device=cuda") == [
        "compute.device: expected auto or cpu here, got 'cuda'"
    ]
    (line,) = refused("compute.precision=tf32")
    assert line.startswith("compute.precision: tf32 has no effect on a CPU")
    assert refused("compute.precision=bf16", "compute.device=cpu") == []


def test_sizes_that_float8_cannot_multiply_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selector.train.usable.arithmetic", lambda compute, device: None)
    (line,) = refused("compute.precision=float8", "compute.device=cpu", "model=llama_pico")
    assert "float8 needs matrices of sizes that are multiples of 16" in line
    assert refused("compute.precision=float8", "compute.device=cpu", "model=pico") == []


def test_a_missing_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selector.train.compiled.missing", lambda device: "needs a C++ compiler")
    assert refused("compute.compile=true") == ["compute.compile: needs a C++ compiler"]
