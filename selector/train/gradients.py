"""Norms of the gradient by groups of layers: where it grows or dies on its way through them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from selector.train.layout import Layout

#: The group of the tables and the head; the blocks follow it, from the input to the output.
EMBEDDING = "embedding"
_SMALLEST = 1e-30  # of a divisor: a block without any gradient leaves the spread finite


class LayerGroups:
    """Which columns of a row belong together: the embeddings, and each block with all it has."""

    def __init__(self, layout: Layout) -> None:
        groups: dict[str, list[slice]] = {EMBEDDING: []}
        for parameter in layout.parameters:
            block = parameter.name.partition(".")[0]
            name = block if block.isdigit() else EMBEDDING
            if name == block or parameter.section in ("embedding", "head"):
                start = layout.offsets[parameter.name]
                groups.setdefault(name, []).append(slice(start, start + parameter.size))
        blocks = sorted(groups.keys() - {EMBEDDING}, key=int)
        self._groups = [groups[name] for name in (EMBEDDING, *blocks)]

    def norms(self, gradients: Tensor) -> Tensor:
        """Euclidean norms of the groups in `gradients` [K, N]: [K, groups], embeddings first.

        The device is not waited for.
        """
        return torch.stack(
            [
                torch.stack(
                    [torch.linalg.vector_norm(gradients[:, part], dim=1) for part in parts]
                ).norm(dim=0)
                for parts in self._groups
            ],
            dim=1,
        )


def described(norms: Sequence[float], *, blocks: bool) -> dict[str, float]:
    """The metrics of one run's group norms at one step, before clipping.

    Args:
        norms: of the embeddings, then of each block.
        blocks: whether every block is reported: where the run is evaluated, a few times in all. A
            deep model would else fill its curves, and the tracker, with little else.

    Returns:
        `gradient_norm/embedding` and `gradient_norm/block/N`, N counting from 0 at the input: the
        norm of the loss's gradient with respect to their parameters, in nats per unit of
        parameter. `gradient_norm/spread`: the largest norm of a block over the smallest, 1 at
        least; gradients that explode or vanish with depth make it grow.
    """
    embedding, *each = norms
    found = {
        "gradient_norm/embedding": embedding,
        "gradient_norm/spread": max(each) / max(min(each), _SMALLEST),
    }
    if blocks:
        found |= {f"gradient_norm/block/{place}": norm for place, norm in enumerate(each)}
    return found
