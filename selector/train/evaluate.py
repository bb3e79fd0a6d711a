"""The loss of one run on fixed windows, and the metrics that follow from it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selector.train.arithmetic import Arithmetic
from selector.train.bank import Bank

_TOKENS_AT_ONCE = 4096  # of one forward pass: its activations stay small on every device


def judged(
    bank: Bank,
    slot: int,
    windows: npt.NDArray[np.int64],
    weights: Mapping[str, Tensor] | None = None,
    arithmetic: Arithmetic | None = None,
) -> tuple[float, float]:
    """Mean cross-entropy in nats per token, and accuracy, over windows [n, context + 1].

    Of the run in `slot`. Nothing random is on, and neither label smoothing nor z-loss counts. The
    model computes in the run's precision, as in training, and the loss in fp32.

    Args:
        bank: where the run is.
        slot: the run's place in it.
        windows: what is read.
        weights: by name, instead of the run's own.
        arithmetic: instead of the bank's.
    """
    weights = bank.weights(slot) if weights is None else weights
    arithmetic, model = arithmetic or bank.arithmetic, bank.config.model
    sequences = max(1, _TOKENS_AT_ONCE // (windows.shape[1] - 1))
    total = torch.zeros(2, device=bank.device)
    with torch.inference_mode(), arithmetic.passes():
        for start in range(0, len(windows), sequences):
            part = windows[start : start + sequences]
            stacked = torch.from_numpy(part).to(bank.device).unsqueeze(0)
            with arithmetic.forward():
                logits = bank.model.forward(weights, bank.objective.inputs(stacked), model)
            logits = logits.to(bank.parameters.dtype)
            _, loss = bank.objective.losses(logits, stacked)
            right = bank.objective.right(logits, stacked)
            total += torch.stack([loss[0], right[0]]) * len(part)
    loss, accuracy = (total / len(windows)).tolist()
    return loss, accuracy


def described(part: str, loss: float, accuracy: float) -> dict[str, float]:
    """The metrics of a part, from its finite loss in nats per token and its accuracy.

    Returns:
        `PART/loss`: mean cross-entropy. `PART/perplexity`: its exponential, which a float holds.
        `PART/bits_per_byte`: the loss in bits per byte of text; tokens are bytes, so it is the
        loss / ln 2. `PART/accuracy`: share of the tokens to which the model gave the highest
        probability of all; label smoothing does not move it by itself.
    """
    largest = math.log(np.finfo(np.float64).max)
    return {
        f"{part}/loss": loss,
        f"{part}/bits_per_byte": loss / math.log(2),
        f"{part}/perplexity": math.exp(min(loss, largest)),
        f"{part}/accuracy": accuracy,
    }
