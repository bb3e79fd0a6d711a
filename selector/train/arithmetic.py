"""In which arithmetic forward and backward passes happen; the weights stay in fp32 in all of them.

    fp32     as it is
    tf32     NVIDIA GPUs round what a matrix product reads to 10 bits of mantissa
    bf16     torch.autocast: matrix products and attention in bfloat16
    fp16     likewise in half precision; `selector.train.loss_scale` keeps small gradients alive
    float8   as bf16, and the products of linear layers in 8 bits (`selector.train.float8`)

Nothing is left behind in the process, which will train other runs: every flag is set for a pass
and put back after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from selector.config.compute import Compute, Precision
from selector.errors import ConfigError
from selector.train import float8
from selector.train.model.execution import PLAIN, Execution, executed

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16, "float8": torch.bfloat16}
_AMPERE, _ADA = (8, 0), (8, 9)  # compute capabilities: the first with TF32, with float8


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """The arithmetic of one bank's passes on one device."""

    precision: Precision
    device: torch.device
    execution: Execution = PLAIN

    def passes(self) -> AbstractContextManager[None]:
        """To be open during a forward pass and the backward pass that follows."""
        if self.precision != "tf32" and self.execution is PLAIN:
            return nullcontext()
        return self._passes()

    @contextmanager
    def _passes(self) -> Iterator[None]:
        before = torch.get_float32_matmul_precision()
        if self.precision == "tf32":
            torch.set_float32_matmul_precision("high")
        try:
            with executed(self.execution):
                yield
        finally:
            torch.set_float32_matmul_precision(before)

    def forward(self) -> AbstractContextManager[object]:
        """To be open during a forward pass alone, the loss left out: reductions are in fp32."""
        half = _HALF.get(self.precision)
        return torch.autocast(self.device.type, half) if half else nullcontext()


def arithmetic(compute: Compute, device: torch.device) -> Arithmetic:
    """The arithmetic that `compute` asks for on `device`.

    Raises:
        ConfigError: the device does not have it.
    """
    if reason := why_not(compute.precision, device):
        raise ConfigError(f"compute.precision: {reason}; fp32 works everywhere")
    product = float8.linear if compute.precision == "float8" else None
    recompute = compute.activation_checkpointing
    execution = Execution(product=product, recompute=recompute) if product or recompute else PLAIN
    return Arithmetic(precision=compute.precision, device=device, execution=execution)


def why_not(precision: Precision, device: torch.device) -> str:
    """Why `device` cannot train in `precision`; empty where it can."""
    if precision == "fp32":
        return ""
    if precision == "tf32" and device.type == "cpu":
        return "tf32 has no effect on a CPU"
    least = {"tf32": _AMPERE, "bf16": _AMPERE, "float8": _ADA}.get(precision)
    if device.type == "cuda" and torch.version.hip is None and least:
        found = torch.cuda.get_device_capability(device)
        if found < least:
            return (
                f"{precision} needs an NVIDIA GPU of compute capability {least[0]}.{least[1]} or"
                f" later, and this one has {found[0]}.{found[1]}"
            )
    if precision == "tf32":
        other = device.type != "cuda" or torch.version.hip is not None
        return f"tf32 is NVIDIA's, and {device} is no NVIDIA GPU" if other else ""
    try:
        _try(precision, device)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        return f"{device} cannot multiply in {precision}: {str(error).splitlines()[0]}"
    return ""


def _try(precision: Precision, device: torch.device) -> None:
    """A small product there and back in `precision`."""
    x = torch.ones(16, 16, device=device, requires_grad=True)
    with torch.autocast(device.type, _HALF[precision]):
        y = float8.linear(x, x, None) if precision == "float8" else x @ x
    torch.autograd.grad(y.float().sum(), x)
