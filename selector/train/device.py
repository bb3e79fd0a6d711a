"""Which device a run trains on, and what there is to say about it afterwards."""

from __future__ import annotations

import platform
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


def facts(config: RunConfig, device: torch.device, width: int) -> dict[str, Any]:
    """Where a run was trained and how large it was, for its result."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "width": width,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "parameters": cost.parameters(config),
        "flops_per_token": cost.flops_per_token(config),
    }


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an allocator of torch gave up."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in _CPU_ALLOCATOR)
