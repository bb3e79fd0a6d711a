"""Where and in which arithmetic a run trains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and in which arithmetic a run trains."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    device: str = "auto"
    """`auto`: the worker's accelerator where it has one, else the CPU; or cpu, cuda, mps."""
    precision: Literal["fp32"] = "fp32"
    """Arithmetic of the forward and backward pass."""

    def __post_init__(self) -> None:
        """Refuse devices that torch has no name for."""
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            raise ValueError(
                f"device: expected auto, cpu, cuda, cuda:N, mps or xpu, got {self.device!r}"
            )
