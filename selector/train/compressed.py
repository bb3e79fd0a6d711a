"""A finished run's weights made smaller, and what that costs in loss; what is kept stays as it is.

Both touch hidden matrices alone: embeddings, head and vectors are a small part of a model that is
large enough to be worth it, and suffer most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from selector.config.compute import Compute
from selector.train.arithmetic import Arithmetic
from selector.train.bank import Bank
from selector.train.evaluate import described, judged
from selector.train.layout import Layout
from selector.train.model.execution import Execution

_LARGEST = 127  # of a signed byte, symmetric around zero
_SMALLEST = 1e-12  # of a scale: a row of zeros stays one


def measured(
    bank: Bank, slot: int, windows: npt.NDArray[np.int64], compute: Compute
) -> dict[str, float]:
    """The loss of the run in `slot` after each of the compressions that `compute` asks for.

    Returns:
        `pruned/loss` and `quantized/loss`, with all else that is told of the validation part, to
        be held against `validation/loss` over the same windows; `pruned/bytes`,
        `quantized/bytes` and `whole/bytes`, the size of the weights after and before, by formula:
        fp32 takes 4 bytes, a pruned matrix a bit for every place and 4 bytes for what is left, an
        8-bit matrix a byte for every place and 4 for every row's scale.
    """
    weights = bank.weights(slot)
    names = [item.name for item in bank.layout.parameters if item.section == "hidden"]
    found: dict[str, float] = {}
    if compute.prune:
        kept = pruned(weights, names, compute.prune)
        found |= _described("pruned", *judged(bank, slot, windows, kept))
        places = sum(weights[name].numel() for name in names)
        left = sum(int(kept[name].count_nonzero()) for name in names)
        found["pruned/bytes"] = 4 * (bank.layout.size - places + left) + places / 8
    if compute.quantize == "int8":
        rounded = Rounded(weights, names)
        arithmetic = Arithmetic(
            precision="fp32", device=bank.device, execution=Execution(product=rounded.linear)
        )
        found |= _described("quantized", *judged(bank, slot, windows, weights, arithmetic))
        assert rounded.complete, "a matrix took no part: a model multiplies by a copy of it"
        found["quantized/bytes"] = rounded_bytes(bank.layout)
    return found | ({"whole/bytes": 4.0 * bank.layout.size} if found else {})


def pruned(weights: Mapping[str, Tensor], names: list[str], share: float) -> dict[str, Tensor]:
    """Copies of `weights` in which the `share` of smallest magnitude among `names` is zero.

    One threshold for all matrices together (global magnitude pruning, arXiv 1902.09574).
    """
    magnitudes = torch.cat([weights[name].flatten() for name in names]).abs()
    drop = round(share * len(magnitudes))
    smallest = magnitudes.topk(drop, largest=False, sorted=False).indices
    keep = torch.ones_like(magnitudes, dtype=torch.bool)
    keep[smallest] = False
    parts = torch.split(keep, [weights[name].numel() for name in names])
    masks = dict(zip(names, parts, strict=True))
    return {
        name: torch.where(masks[name].view_as(weight), weight, 0.0) if name in masks else weight
        for name, weight in weights.items()
    }


class Rounded:
    """Some matrices of a model in signed bytes, multiplied with inputs rounded as they come.

    A scale for each row of a matrix and for each token, both symmetric: torchao's
    int8_dynamic_activation_int8_weight. The bytes are multiplied as whole numbers in fp32, which
    is exact up to 1040 of them in a sum, and near enough above; it measures the loss, not speed.

    Args:
        weights: of one run, by name.
        names: which of them are rounded.
    """

    def __init__(self, weights: Mapping[str, Tensor], names: list[str]) -> None:
        self._weights = {name: weights[name] for name in names}
        self._rounded = {name: _rounded(weight) for name, weight in self._weights.items()}
        self._left = set(names)

    @property
    def complete(self) -> bool:
        """Whether every one of them has been multiplied by, in part at least."""
        return not self._left

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As `layers.linear` for plain weights, or rows of them: an expert's."""
        found = self._place(weight)
        if found is None:
            return functional.linear(x, weight, bias)
        name, rows = found
        self._left.discard(name)
        whole, scale = (part[rows] for part in self._rounded[name])
        inputs, input_scale = _rounded(x)
        y = functional.linear(inputs, whole) * input_scale * scale.mT
        return y if bias is None else y + bias

    def _place(self, weight: Tensor) -> tuple[str, slice] | None:
        """Which rows of which matrix lie where `weight` does; a copy lies elsewhere."""
        for name, whole in self._weights.items():
            distance = weight.data_ptr() - whole.data_ptr()
            if 0 <= distance < whole.nbytes:
                start = distance // whole[0].nbytes
                return name, slice(start, start + len(weight))
        return None


def rounded_bytes(layout: Layout) -> float:
    """The size of a model whose hidden matrices are in signed bytes with a scale a row."""
    hidden = [item for item in layout.parameters if item.section == "hidden"]
    places = sum(item.size for item in hidden)
    return 4.0 * (layout.size - places + sum(item.shape[0] for item in hidden)) + places


def _rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers from -127 to 127 for x [..., n], and the scale of each row, [..., 1]."""
    scale = x.abs().amax(-1, keepdim=True).clamp(min=_SMALLEST) / _LARGEST
    return (x / scale).round().clamp(-_LARGEST, _LARGEST), scale


def _described(part: str, loss: float, accuracy: float) -> dict[str, float]:
    return described(part, loss, accuracy) if math.isfinite(loss) else {}
