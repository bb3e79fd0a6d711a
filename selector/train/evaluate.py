"""The loss of one run on fixed windows, and the metrics that follow from it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from selector.train.bank import Bank

_TOKENS_AT_ONCE = 4096  # of one forward pass: its activations stay small on every device


def mean_loss(bank: Bank, slot: int, windows: npt.NDArray[np.int64]) -> float:
    """Mean cross-entropy of the run in `slot` over windows [n, context + 1], in nats per token.

    Nothing random is on, and neither label smoothing nor z-loss counts.
    """
    weights, model = bank.weights(slot), bank.config.model
    sequences = max(1, _TOKENS_AT_ONCE // (windows.shape[1] - 1))
    total = torch.zeros((), device=bank.device)
    with torch.inference_mode():
        for start in range(0, len(windows), sequences):
            part = windows[start : start + sequences]
            stacked = torch.from_numpy(part).to(bank.device).unsqueeze(0)
            logits = bank.model.forward(weights, bank.objective.inputs(stacked), model)
            _, loss = bank.objective.losses(logits, stacked)
            total += loss[0] * len(part)
    return float(total) / len(windows)


def described(part: str, loss: float) -> dict[str, float]:
    """The metrics of a part's finite loss in nats per token, under their names.

    Tokens are bytes, so bits per byte are bits per token.
    """
    largest = math.log(np.finfo(np.float64).max)
    return {
        f"{part}/loss": loss,
        f"{part}/bits_per_byte": loss / math.log(2),
        f"{part}/perplexity": math.exp(min(loss, largest)),
    }
