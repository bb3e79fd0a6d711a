"""What a worker process asks of PyTorch: its devices, its threads, its global generators."""

from __future__ import annotations

import warnings
from typing import Any

import torch


def available() -> list[str]:
    """PyTorch's names of this machine's devices: all accelerators of one kind, else the CPU.

    `cuda` is NVIDIA's and, where PyTorch is built for it, AMD's. A library reads what its user may
    have (CUDA_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES); the names count what is left.

    Asking may initialize a driver that does not survive a fork; call it in a child of its own
    where forks are to come.

    Raises:
        RuntimeError: there are accelerators, and none of them answers.
    """
    for kind, driver in (("cuda", torch.cuda), ("xpu", torch.xpu)):
        if driver.is_available():
            return _answering(kind, driver)
    return ["mps"] if torch.backends.mps.is_available() else ["cpu"]


def _answering(kind: str, driver: Any) -> list[str]:
    """Those that say what they are: one that has fallen off the bus is counted, but does not."""
    found, reasons = [], []
    for index in range(driver.device_count()):
        try:
            driver.get_device_properties(index)
            found.append(f"{kind}:{index}")
        except (RuntimeError, AssertionError) as error:
            reasons.append(f"{kind}:{index} does not answer: {str(error).splitlines()[0]}")
    for reason in reasons if found else []:
        warnings.warn(reason, stacklevel=2)
    if reasons and not found:
        raise RuntimeError("; ".join(reasons))
    return found


def use_threads(count: int) -> None:
    """Compute with `count` CPU threads in this process."""
    torch.set_num_threads(count)


def seed(number: int) -> None:
    """Seed PyTorch's global generators."""
    torch.manual_seed(number)
