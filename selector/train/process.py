"""What a worker process asks of PyTorch: its devices, its threads, its global generators."""

from __future__ import annotations

import torch


def available() -> list[str]:
    """PyTorch's names of this machine's devices: all accelerators of one kind, else the CPU.

    Asking may initialize a driver that does not survive a fork; call it in a child of its own
    where forks are to come.
    """
    for kind, driver in (("cuda", torch.cuda), ("xpu", torch.xpu)):
        if driver.is_available():
            return [f"{kind}:{index}" for index in range(driver.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else ["cpu"]


def use_threads(count: int) -> None:
    """Compute with `count` CPU threads in this process."""
    torch.set_num_threads(count)


def seed(number: int) -> None:
    """Seed PyTorch's global generators."""
    torch.manual_seed(number)
