"""Devices by name, and what counts as out of memory."""

from __future__ import annotations

import pytest
import torch

from selector.errors import ConfigError
from selector.train import device


def test_auto_is_the_accelerator_or_the_cpu() -> None:
    kind = device.find("auto").type
    assert (kind == "cpu") != torch.accelerator.is_available()
    assert device.find("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match=r"expected auto or cpu.* here, got .xpu:7"):
        device.find("xpu:7")


def test_what_an_allocator_says_is_out_of_memory_and_other_errors_are_not() -> None:
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**50)  # 4 PiB
    assert device.is_out_of_memory(found.value)
    assert device.is_out_of_memory(torch.OutOfMemoryError("no room"))
    with pytest.raises(RuntimeError) as found:
        torch.ones(2) @ torch.ones(3)
    assert not device.is_out_of_memory(found.value)


def test_the_peak_of_memory_counts_from_its_reset() -> None:
    cpu = torch.device("cpu")
    device.reset_peak_memory(cpu)
    before = device.peak_memory_gib(cpu)
    held = torch.ones(2**25)  # 128 MiB
    during = device.peak_memory_gib(cpu)
    del held
    assert 0.12 < during - before < 0.2
    assert device.peak_memory_gib(cpu) == pytest.approx(during, abs=0.01)
    device.reset_peak_memory(cpu)
    assert device.peak_memory_gib(cpu) < during - 0.1
