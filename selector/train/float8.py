"""Linear layers whose products are in 8 bits, with one scale for each tensor of each run.

Scaling as in torchao's tensorwise recipe (https://github.com/pytorch/ao, torchao/float8) and
nanochat's fp8.py: every tensor is divided by what takes its largest magnitude to the largest of
its format, at every product anew. Activations and weights have 3 bits of mantissa (e4m3),
gradients 2 and a wider range (e5m2; arXiv 2209.05433). The sums are made in fp32 by the device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from selector.errors import ConfigError
from selector.train.layout import Layout

_ACTIVATION, _GRADIENT = torch.float8_e4m3fn, torch.float8_e5m2
_SMALLEST = 1e-12  # of a largest magnitude: all zeros stay zeros
_MULTIPLE = 16  # of both sizes of a matrix, asked for by torch._scaled_mm on GPUs


def fits(*sizes: int) -> bool:
    """Whether matrices of these sizes can be multiplied in 8 bits."""
    return all(size % _MULTIPLE == 0 for size in sizes)


def refuse_odd_sizes(layout: Layout) -> None:
    """Raise ConfigError where a hidden matrix could not be multiplied in 8 bits."""
    for item in layout.parameters:
        rows, columns = item.shape[0] // item.products, item.shape[-1]
        if item.section == "hidden" and not fits(rows, columns):
            raise ConfigError(
                f"compute.precision: float8 needs matrices of sizes that are multiples of"
                f" {_MULTIPLE}, and {item.name} is {rows} x {columns};"
                " change model.width or model.mlp_ratio"
            )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `layers.linear`, in 8 bits; a head of odd sizes is multiplied as torch would.

    The runs of a bank are multiplied one by one: their scales are their own.
    """
    slotted = weight.dim() == 3
    if not fits(*weight.shape[-2:]):
        y = torch.bmm(x, weight.mT) if slotted else functional.linear(x, weight)
    elif slotted:
        y = torch.stack([_multiply(*pair) for pair in zip(x, weight, strict=True)])
    else:
        y = _multiply(x, weight)
    if bias is None:
        return y
    return y + (bias.unsqueeze(1) if slotted else bias).to(y.dtype)


def _multiply(x: Tensor, weight: Tensor) -> Tensor:
    rows = len(x)
    x = functional.pad(x, (0, 0, 0, -rows % _MULTIPLE))  # the weight's gradient sums over rows
    product: Tensor = _Product.apply(x, weight)  # type: ignore[no-untyped-call]
    return product[:rows]


class _Product(torch.autograd.Function):
    """x [n, in] and weight [out, in] to x @ weight^T [n, out] in bfloat16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x8, x_scale = _narrow(x, _ACTIVATION)
        weight8, weight_scale = _narrow(weight, _ACTIVATION)
        ctx.save_for_backward(x8, x_scale, weight8, weight_scale)
        ctx.dtypes = x.dtype, weight.dtype
        return _scaled(x8, weight8.t(), x_scale, weight_scale, torch.bfloat16)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x8, x_scale, weight8, weight_scale = ctx.saved_tensors
        x_dtype, weight_dtype = ctx.dtypes
        gradient8, scale = _narrow(gradients[0], _GRADIENT)
        of_x = _scaled(gradient8, _by_columns(weight8), scale, weight_scale, torch.bfloat16)
        of_weight = _scaled(
            gradient8.t().contiguous(), _by_columns(x8), scale, x_scale, torch.float32
        )
        return of_x.to(x_dtype), of_weight.to(weight_dtype)


def _narrow(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x / scale in `dtype`, and the scale, a scalar tensor."""
    largest = torch.finfo(dtype).max
    scale = x.abs().amax().float().clamp(min=_SMALLEST) / largest
    return (x.float() / scale).clamp(-largest, largest).to(dtype), scale


def _by_columns(matrix: Tensor) -> Tensor:
    """The same matrix, laid out column by column: what a product's second factor has to be."""
    return matrix.t().contiguous().t()


def _scaled(
    left: Tensor, right: Tensor, left_scale: Tensor, right_scale: Tensor, dtype: torch.dtype
) -> Tensor:
    product: Tensor = torch._scaled_mm(
        left, right, scale_a=left_scale, scale_b=right_scale, out_dtype=dtype
    )
    return product
