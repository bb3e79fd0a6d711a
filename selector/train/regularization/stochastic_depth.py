"""Stochastic depth: a sequence skips whole residual branches, the later the more often.

https://arxiv.org/abs/1603.09382: branch b of B is dropped with the probability rate * b / B, drawn
anew for each sequence and forward pass. What is kept is scaled up in training, where the paper
scales down in evaluation; the mean is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from selector.train.regularization.dropout import Masks, threshold


class StochasticDepth:
    """The branches that survive one forward pass; called as drop(x, layer) by a model.

    Args:
        rate: [K], the probability with which the last branch is dropped.
        seed: int64 [K], each run's seed.
        count: int64 [K], each run's forward passes so far.
        layers: in how many places the model drops: the first is the embedding, which stays; the
            others are residual branches, from the input to the output.
        sequences: in the batch of each slot.
    """

    def __init__(
        self, rate: Tensor, seed: Tensor, count: Tensor, layers: int, sequences: int
    ) -> None:
        self._slots, self._sequences = len(rate), sequences
        # Places of their own, behind those of dropout: the two must not toss the same coins.
        self._masks = Masks(seed, count, range(layers, 2 * layers))
        share = torch.arange(layers, device=rate.device, dtype=rate.dtype) / max(1, layers - 1)
        rates = rate.unsqueeze(1) * share
        self._thresholds, self._scales = threshold(rates), 1.0 / (1.0 - rates)

    def __call__(self, x: Tensor, layer: int) -> Tensor:
        """x [K, sequences * length, ...] (without K for one run), some sequences of it zero."""
        if not layer:
            return x
        keep = self._masks.kept(self._sequences, layer, self._thresholds[:, layer, None])
        factor = torch.where(keep, self._scales[:, layer, None].to(x.dtype), 0.0)
        return (x.reshape(*factor.shape, -1) * factor.unsqueeze(-1)).view(x.shape)
