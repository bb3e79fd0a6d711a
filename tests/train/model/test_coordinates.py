"""The coordinate check of mup: what training makes of activations is of one size at any width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from selector.config.schema import RunConfig
from selector.train.bank import Bank

WIDTHS = (32, 64, 128)


def changes(configure: Callable[..., RunConfig], **model: Any) -> list[float]:
    """Root mean square of the change that four steps make to the logits, for each width."""
    found = []
    for width in WIDTHS:
        config = configure(
            optimizer="adamw",
            values={"lr": 4e-3, "weight_decay": 0.0},
            model={"width": width, "base_width": 32, "bias": False, **model},
            schedule={"name": "constant", "warmup": 0.0},
        )
        bank = Bank(config, 1, torch.device("cpu"))
        bank.enter(0, config, seed=1, steps=4)
        windows = torch.randint(0, 256, (1, 1, 4, 17), generator=torch.Generator().manual_seed(0))
        tokens = windows[0, :, :, :-1]
        with torch.no_grad():
            before = bank.model.forward(bank.weights(0), tokens, config.model)
        for _ in range(4):
            bank.step(windows)
        with torch.no_grad():
            after = bank.model.forward(bank.weights(0), tokens, config.model)
        found.append(float((after - before).square().mean().sqrt()))
    return found


@pytest.mark.parametrize(
    "model",
    [
        {"heads": 4},
        {"heads": "auto", "head_size": 8, "tied_embeddings": False},
        {"heads": 4, "norm": "rms", "position": "rope", "activation": "swiglu", "qk_norm": True},
    ],
)
def test_steps_move_logits_as_much_at_any_width_under_mup(
    configure: Callable[..., RunConfig], model: dict[str, Any]
) -> None:
    mup = changes(configure, parametrization="mup", **model)
    standard = changes(configure, **model)
    assert max(mup) / min(mup) < 1.25, mup
    assert standard[-1] / standard[0] > 1.6, standard
