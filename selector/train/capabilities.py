"""What this machine's PyTorch can train with: devices, precisions, compiling."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import torch

from selector.config.compute import Precision
from selector.train import compiled, process
from selector.train.arithmetic import why_not


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device, as a worker would have it."""

    name: str
    """As in compute.device."""
    model: str
    """What its maker calls it; '' where PyTorch does not say."""
    memory_gib: float | None
    """None where PyTorch does not say."""
    refused: Mapping[str, str]
    """Precision -> why the device does not have it."""
    no_compile: str
    """What torch.compile lacks for it; '' where nothing does."""

    @property
    def precisions(self) -> list[str]:
        """What compute.precision can be here."""
        return [name for name in get_args(Precision) if name not in self.refused]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What PyTorch says of this machine."""

    torch: str
    cuda: str
    """The CUDA (or ROCm) release that PyTorch was built for; '' where for none."""
    devices: tuple[Device, ...]
    """What workers would be given: all accelerators of one kind, else the CPU."""
    said: tuple[str, ...] = ()
    """What PyTorch warned of while it looked for accelerators."""


def capabilities() -> Capabilities:
    """Look at this machine; a driver may be started, which does not survive a fork."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        devices = tuple(_device(name) for name in process.available())
    return Capabilities(
        torch=torch.__version__,
        cuda=torch.version.cuda or torch.version.hip or "",
        devices=devices,
        said=tuple(str(item.message).splitlines()[0] for item in caught),
    )


def _device(name: str) -> Device:
    device = torch.device(name)
    model, memory = "", None
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        model, memory = found.name, found.total_memory / 2**30
    elif device.type == "cpu":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    reasons = {item: why_not(item, device) for item in get_args(Precision)}
    return Device(
        name=name,
        model=model,
        memory_gib=memory,
        refused={item: reason for item, reason in reasons.items() if reason},
        no_compile=compiled.missing(device),
    )
