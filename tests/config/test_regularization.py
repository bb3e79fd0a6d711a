"""What a run's regularization may be, and which of it goes with which optimizer."""

from __future__ import annotations

from typing import Any

import pytest

from selector.config.regularization import Regularization, mistakes, patience_mistake
from selector.config.technique import Technique


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"ema": 1.5}, r"ema: expected a number from 0 to 1, got 1\.5"),
        ({"swa": -0.1}, "swa: expected a number from 0 to 1"),
        ({"layer_rate_decay": 0.0}, r"layer_rate_decay: expected a number above 0 to 1, got 0\.0"),
        ({"layer_rate_decay": 1.1}, "layer_rate_decay: expected a number above 0 to 1"),
        ({"stochastic_depth": 1.0}, "stochastic_depth: expected a number from 0 to below 1"),
        ({"sam": -1.0}, "sam: expected a finite number from 0"),
        ({"l1": float("nan")}, "l1: expected a finite number from 0"),
        ({"patience": -1}, "patience: expected a finite number from 0, got -1"),
        ({"ema": 0.1, "swa": 0.1}, "ema, swa: expected one average of the weights"),
        ({"swa": 0.1, "patience": 3}, "the end that swa averages is not reached"),
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Regularization(**values)


def test_an_average_may_go_with_patience() -> None:
    assert Regularization(ema=0.1, patience=3).averages
    assert not Regularization().averages


@pytest.mark.parametrize(
    ("option", "values", "switches", "expected"),
    [
        ("schedule_free_sgd", {}, {"swa": 0.1}, "which is judged at an average of its own"),
        ("library", {"algorithm": "lbfgs"}, {"sam": 0.1}, "losses and gradients of one place"),
        ("library", {"algorithm": "lbfgs"}, {"layer_rate_decay": 0.9}, "one rate for all"),
    ],
)
def test_what_an_optimizer_cannot_do_is_named(
    option: str, values: dict[str, Any], switches: dict[str, float], expected: str
) -> None:
    optimizer = Technique(name=option, values={"lr": 0.1, **values})
    (text,) = mistakes(Regularization(**switches), optimizer)
    assert expected in text
    adamw = Technique(name="adamw", values={"lr": 0.1})
    assert (
        mistakes(Regularization(**switches), adamw) == mistakes(Regularization(), optimizer) == []
    )


def test_patience_is_for_epochs_and_the_validation_part() -> None:
    assert patience_mistake(3, "validation/loss", "epochs") == ""
    assert patience_mistake(0, "train/loss", "tokens") == ""
    assert "counted in flops, got 2" in patience_mistake(2, "validation/loss", "flops")
    assert "got train/loss" in patience_mistake(2, "train/loss", "epochs")
