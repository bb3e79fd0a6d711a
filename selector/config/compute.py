"""Where and in which arithmetic a run trains, and what is measured of its result afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from selector.config import limits

#: Dotted keys of what is only measured of a result: no run trains differently for it.
MEASURED = ("compute.prune", "compute.quantize")
#: Dotted keys of what changes the time and the memory of a run, and not what it computes.
SAME_NUMBERS = frozenset(("compute.compile", "compute.activation_checkpointing"))
DEVICES = "auto | cpu | cuda | cuda:N | mps | xpu"
Precision = Literal["fp32", "tf32", "bf16", "fp16", "float8"]


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and in which arithmetic a run trains, and what is measured of its result."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    device: str = "auto"
    """`auto`: the worker's accelerator where it has one, else the CPU; or cpu, cuda, mps."""
    precision: Precision = "fp32"
    """Arithmetic of the forward and backward pass. Weights, gradients, the optimizer and every loss
    are in fp32 in all of them. tf32: matrix products with 10 bits of mantissa, NVIDIA GPUs only.
    bf16, fp16: products in 16 bits; fp16 scales the loss of each run by itself. float8: products of
    linear layers in 8 bits, one scale a tensor, all else as in bf16."""
    compile: bool = False
    """Whether forward and backward pass are compiled (torch.compile); needs a C++ compiler."""
    activation_checkpointing: bool = False
    """Whether a block's activations are computed again in the backward pass instead of kept."""
    prune: float = 0.0
    """Share of the weights of hidden matrices, smallest first, that are set to zero in a copy of
    the result, whose loss is then measured; 0: it is not. Judged runs only; what is kept stays."""
    quantize: Literal["none", "int8"] = "none"
    """int8: the loss is also measured with hidden matrices, and what enters them, rounded to 8
    bits. Judged runs only; what is kept stays."""

    def __post_init__(self) -> None:
        """Refuse devices that torch has no name for, and arithmetic that a CPU does not have."""
        mistakes = []
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            mistakes.append(f"device: expected {DEVICES.replace(' | ', ', ')}, got {self.device!r}")
        if self.precision == "tf32" and self.device == "cpu":
            mistakes.append("precision: tf32 has no effect on a CPU; expected fp32 or bf16 there")
        if text := limits.mistake("prune", self.prune):
            mistakes.append(text)
        if mistakes:
            raise ValueError("\n".join(mistakes))
