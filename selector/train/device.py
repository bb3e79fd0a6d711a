"""Which device a run trains on, and what there is to say about it afterwards."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.space import cost

# What torch's CPU allocator says; its accelerators' allocators raise torch.OutOfMemoryError.
_CPU_ALLOCATOR = ("DefaultCPUAllocator", "not enough memory", "can't allocate memory")


def find(name: str) -> torch.device:
    """The device called `name`; `auto` is the accelerator where there is one, else the CPU.

    Raises:
        ConfigError: this machine has no such device.
    """
    if name != "auto":
        device = torch.device(name)
        here = torch.accelerator.current_accelerator(check_available=True)
        count = torch.accelerator.device_count() if here else 0
        missing = here is None or here.type != device.type or (device.index or 0) >= count
        if device.type != "cpu" and missing:
            known = ["auto", "cpu", *(f"{here.type}:{index}" for index in range(count) if here)]
            raise ConfigError(f"compute.device: expected {' or '.join(known)} here, got {name!r}")
        return device
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory_gib` count from now on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError, AttributeError):  # glibc keeps what earlier runs freed
            ctypes.CDLL(None).malloc_trim(0)
        with suppress(OSError):  # Linux: 5 resets the peak of the resident memory, proc(5)
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_gib(device: torch.device) -> float:
    """The most memory in use since `reset_peak_memory`, in GiB.

    On a GPU, what torch's allocator gave out: it is the bank's, so of all runs side by side. On
    a CPU, the resident memory of the whole process: Python and torch are in it (about .3 GiB), and
    what an earlier run of this worker did not give back.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # in kB of 1024 bytes
                return int(line.split()[1]) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss; since the process began
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def facts(config: RunConfig, device: torch.device, width: int, tokens: int = 0) -> dict[str, Any]:
    """Where a run was trained, how large it was and what training on `tokens` took.

    `flops`: floating-point operations of the run's training by the formula of
    `selector.space.cost.flops_per_token`, evaluations left out. `width`: slots of its bank, those
    without a run included. `threads`: CPU threads that torch computes with. For
    `peak_memory_gib` see there.
    """
    per_token = cost.flops_per_token(config)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "width": width,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "parameters": cost.parameters(config),
        "flops_per_token": per_token,
        "flops": per_token * tokens,
        "peak_memory_gib": round(peak_memory_gib(device), 4),
    }


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an allocator of torch gave up."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in _CPU_ALLOCATOR)
