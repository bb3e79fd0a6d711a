"""Evaluation: the mean over all windows, without dropout, and the metrics that follow."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from selector.config.schema import RunConfig
from selector.train.bank import Bank
from selector.train.evaluate import described, judged


def test_the_mean_over_windows_does_not_depend_on_how_they_are_cut(
    configure: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(regularization={"dropout": 0.5, "label_smoothing": 0.2})
    bank = Bank(config, 2, torch.device("cpu"))
    bank.enter(1, config, seed=3, steps=5)
    windows = torch.randint(0, 4, (7, 17), generator=torch.Generator().manual_seed(0))
    logits = bank.model.forward(bank.weights(1), windows[None, :, :-1], config.model)
    targets = windows[:, 1:].flatten()
    expected = float(functional.cross_entropy(logits, targets))
    likeliest = logits.topk(1).indices.squeeze(-1)
    right = float((likeliest == targets).sum()) / len(targets)
    assert 0 < right < 1, "its tied embeddings repeat the last token, here often the next"
    for tokens in (16, 64, 4096):
        monkeypatch.setattr("selector.train.evaluate._TOKENS_AT_ONCE", tokens)
        assert judged(bank, 1, windows.numpy()) == pytest.approx((expected, right), rel=1e-5)


def test_metrics_of_a_loss() -> None:
    found = described("validation", math.log(256), 0.25)
    assert found == pytest.approx(
        {
            "validation/loss": math.log(256),
            "validation/bits_per_byte": 8.0,
            "validation/perplexity": 256.0,
            "validation/accuracy": 0.25,
        }
    )
    assert math.isfinite(described("test", 1e6, 0.0)["test/perplexity"])
