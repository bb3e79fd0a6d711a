"""How many floating-point operations a device can do in a second: what utilization is a share of.

Of well-known GPUs from their data sheets, dense (sheets print twice that, with sparsity); of every
other device, and of a part of one (MIG), measured once in a process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from time import perf_counter, thread_time

import torch

_HOPPER = "https://www.nvidia.com/en-us/data-center/h100/"
_SXM = {"fp32": 67.0, "tf32": 494.7, "bf16": 989.4, "fp16": 989.4, "float8": 1978.9}
_NVL = {"fp32": 60.0, "tf32": 417.5, "bf16": 835.5, "fp16": 835.5, "float8": 1671.0}
#: Words of torch's name for a GPU -> 10^12 FLOPs a second by precision, and the sheet that says so.
#: The first whose words are all in a name holds.
SHEETS: Mapping[tuple[str, ...], tuple[Mapping[str, float], str]] = {
    ("H100", "PCIe"): (
        {"fp32": 51.2, "tf32": 378.0, "bf16": 756.5, "fp16": 756.5, "float8": 1513.0},
        _HOPPER,
    ),
    ("H100", "NVL"): (_NVL, _HOPPER),
    ("H100",): (_SXM, _HOPPER),
    ("H200", "NVL"): (_NVL, "https://www.nvidia.com/en-us/data-center/h200/"),
    ("H200",): (_SXM, "https://www.nvidia.com/en-us/data-center/h200/"),
    ("A100",): (
        {"fp32": 19.5, "tf32": 156.0, "bf16": 312.0, "fp16": 312.0},
        "https://www.nvidia.com/en-us/data-center/a100/",
    ),
    ("A10",): (
        {"fp32": 31.2, "tf32": 62.5, "bf16": 125.0, "fp16": 125.0},
        "https://www.nvidia.com/en-us/data-center/products/a10-gpu/",
    ),
    ("L40S",): (
        {"fp32": 91.6, "tf32": 183.0, "bf16": 362.0, "fp16": 362.0, "float8": 733.0},
        "https://www.nvidia.com/en-us/data-center/l40s/",
    ),
    ("L4",): (
        {"fp32": 30.3, "tf32": 60.0, "bf16": 121.0, "fp16": 121.0, "float8": 242.5},
        "https://www.nvidia.com/en-us/data-center/l4/",
    ),
    ("V100", "SXM2"): (
        {"fp32": 15.7, "fp16": 125.0},
        "https://www.nvidia.com/en-us/data-center/v100/",
    ),
    ("T4",): ({"fp32": 8.1, "fp16": 65.0}, "https://www.nvidia.com/en-us/data-center/tesla-t4/"),
}
_KINDS = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}
_SIZE = {"cpu": 512}  # of a matrix: a millisecond or more, and three of them fit in a cache
_LARGE = 4096  # on an accelerator: large enough to fill it
_SECONDS = 0.05
_FEWEST, _REPEATS = 5, 20
_SHORTEST = 1e-9  # seconds; a clock may not have moved


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What a device can do at most in one precision."""

    flops_per_second: float
    source: str
    """The data sheet's address, or how it was measured."""


def peak(device: torch.device, precision: str) -> Peak:
    """`peak_flops_per_second` of a device: the most dense operations it does in a second.

    On a CPU with the threads that torch uses now.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return on_sheet(name, precision) or _measured(device, precision, torch.get_num_threads())


def on_sheet(name: str, precision: str) -> Peak | None:
    """What the data sheet of the GPU called `name` says; None of others, and of parts of one."""
    words = set(re.split(r"[\s-]+", name))
    for needed, (peaks, source) in SHEETS.items():
        if words >= set(needed) and "MIG" not in words and precision in peaks:
            return Peak(flops_per_second=1e12 * peaks[precision], source=source)
    return None


@cache
def _measured(device: torch.device, precision: str, threads: int) -> Peak:
    """The fastest of some products of square matrices: 2 * size^3 operations each.

    One CPU thread is timed by its own clock, which stands still while other processes have the
    core: a peak that they made low would let runs look faster than the machine.
    """
    clock = thread_time if device.type == "cpu" and threads == 1 else perf_counter
    size, kind = _SIZE.get(device.type, _LARGE), _KINDS.get(precision, torch.bfloat16)
    matrix = torch.ones(size, size, device=device, dtype=kind)
    result = matrix @ matrix  # the first one starts the library up
    fastest, began = float("inf"), perf_counter()
    for repeat in range(1, _REPEATS + 1):
        _wait(device)
        start = clock()
        torch.matmul(matrix, matrix, out=result)
        _wait(device)
        fastest = min(fastest, max(clock() - start, _SHORTEST))
        if repeat >= _FEWEST and perf_counter() - began > _SECONDS:
            break
    text = f"measured: products of matrices of {size} x {size} in {str(kind).partition('.')[2]}"
    return Peak(flops_per_second=2 * size**3 / fastest, source=text)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
