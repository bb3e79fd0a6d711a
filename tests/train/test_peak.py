"""What a device can do at most: from a data sheet, else measured."""

from __future__ import annotations

import itertools
from time import perf_counter

import pytest
import torch

from selector.train.peak import SHEETS, _measured, on_sheet, peak

measured = _measured.__wrapped__


@pytest.mark.parametrize(
    ("name", "precision", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
        ("NVIDIA H100 PCIe", "bf16", 756.5),
        ("NVIDIA H100 NVL", "tf32", 417.5),
        ("NVIDIA H200", "fp32", 67.0),
        ("NVIDIA A100-SXM4-80GB", "bf16", 312.0),
        ("NVIDIA A10", "bf16", 125.0),
        ("NVIDIA L4", "bf16", 121.0),
        ("Tesla V100-SXM2-16GB", "fp16", 125.0),
    ],
)
def test_a_sheet_s_dense_peak(name: str, precision: str, tera: float) -> None:
    found = on_sheet(name, precision)
    assert found is not None
    assert found.flops_per_second == pytest.approx(tera * 1e12)
    assert found.source.startswith("https://")


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("NVIDIA A10G", "bf16"),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "bf16"),
        ("Tesla V100-SXM2-16GB", "bf16"),
        ("Tesla V100-PCIE-16GB", "fp16"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bf16"),
        ("cpu", "fp32"),
    ],
)
def test_what_no_sheet_describes_is_measured(name: str, precision: str) -> None:
    assert on_sheet(name, precision) is None


def test_precisions_of_one_gpu_are_in_order() -> None:
    for peaks, _ in SHEETS.values():
        speeds = [peaks[name] for name in ("fp32", "tf32", "bf16", "float8") if name in peaks]
        assert speeds == sorted(speeds)


def test_other_processes_do_not_lower_the_peak_of_one_thread(monkeypatch) -> None:
    cpu, late = torch.device("cpu"), itertools.count()
    alone = measured(cpu, "fp32", 1).flops_per_second
    monkeypatch.setattr("selector.train.peak.perf_counter", lambda: float(next(late)))
    beside = measured(cpu, "fp32", 1).flops_per_second
    assert beside > alone / 10  # by that clock every product takes a second: 3e8


def test_a_cpu_is_measured_once_and_in_truth() -> None:
    cpu = torch.device("cpu")
    found = peak(cpu, "fp32")
    assert "512 x 512 in float32" in found.source
    started = perf_counter()
    assert peak(cpu, "fp32") is found
    assert perf_counter() - started < 0.01
    matrix, fastest = torch.rand(512, 512), float("inf")
    for _ in range(20):
        started = perf_counter()
        matrix @ matrix
        fastest = min(fastest, perf_counter() - started)
    assert found.flops_per_second == pytest.approx(2 * 512**3 / fastest, rel=0.8)
