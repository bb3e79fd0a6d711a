"""Averages of the weights are torch's; they are judged; a run goes on with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from selector.config.regularization import Regularization
from selector.config.schema import RunConfig
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.regularization.horizon import averaged_like, shares, unshared

STEPS = 20
Configure = Callable[..., RunConfig]


class Named(torch.nn.Module):
    """Weights under names that a module may have."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(weights.values())


@pytest.mark.parametrize("values", [[0.25], [0.1, 0.5, 1.0]])
def test_an_exponential_average_is_torchs_without_its_bias(
    with_sgd: Configure, corpus: Corpus, tools: Any, values: list[float]
) -> None:
    trained = tools.Trained([with_sgd(ema=value) for value in values], STEPS, corpus)
    for place, value in zip(trained.places, values, strict=True):
        decay = 1 - 1 / (value * STEPS)
        zero = {name: torch.zeros_like(w) for name, w in trained.weights(place, 0).items()}
        average = AveragedModel(Named(zero), multi_avg_fn=get_ema_multi_avg_fn(decay))
        average.update_parameters(Named(zero))  # torch's begins as a copy of what comes first
        for step in range(1, STEPS + 1):
            weights = trained.weights(place, step)
            average.update_parameters(Named(weights))
            corrected = [w / (1 - decay**step) for w in average.module.weights]
            tools.close(trained.judged[step][place], dict(zip(weights, corrected, strict=True)))


@pytest.mark.parametrize("values", [[0.25], [0.1, 0.5, 1.0]])
def test_an_equal_average_is_torchs_and_the_weights_before_it_begins(
    with_sgd: Configure, corpus: Corpus, tools: Any, values: list[float]
) -> None:
    trained = tools.Trained([with_sgd(swa=value) for value in values], STEPS, corpus)
    for place, value in zip(trained.places, values, strict=True):
        start = STEPS - round(value * STEPS)
        average = AveragedModel(Named(trained.weights(place, 0)))
        for step in range(STEPS + 1):
            weights = trained.weights(place, step)
            judged = trained.judged[step][place]
            if step > start:
                average.update_parameters(Named(weights))
                tools.close(judged, dict(zip(weights, average.module.weights, strict=True)))
            else:
                assert all(torch.equal(judged[name], weights[name]) for name in weights)
        assert not torch.equal(judged["final_norm.weight"], weights["final_norm.weight"])


def test_an_average_of_both_kinds_shares_a_bank_and_training_does_not_see_it(
    with_sgd: Configure, corpus: Corpus, tools: Any
) -> None:
    both = tools.Trained([with_sgd(ema=0.2), with_sgd(swa=0.3), with_sgd(ema=0.4)], STEPS, corpus)
    none = tools.Trained([with_sgd()] * 3, STEPS, corpus)
    assert torch.equal(both.rows[-1], none.rows[-1])


def test_a_state_carries_the_average(with_sgd: Configure, corpus: Corpus, tools: Any) -> None:
    config = with_sgd(ema=0.3)
    whole = tools.Trained([config], STEPS, corpus)
    state = whole.bank.state(0)
    other = Bank(config, 2, torch.device("cpu"), torch.float64)
    other.enter(1, config, whole.bank.state(0).seed, STEPS)
    other.restore(1, state)
    for name, weight in whole.bank.weights(0).items():
        assert torch.equal(other.weights(1)[name], weight)
    other.leave(1)
    assert not any(weight.any() for weight in other.weights(1).values())


def test_an_average_of_another_horizon_is_refused(
    with_sgd: Configure, corpus: Corpus, tools: Any
) -> None:
    state = tools.Trained([with_sgd(ema=0.3)], 10, corpus).bank.state(0)

    def restore(steps: int, **regularization: float) -> None:
        config = with_sgd(**regularization)
        bank = Bank(config, 1, torch.device("cpu"), torch.float64)
        bank.enter(0, config, state.seed, steps)
        bank.restore(0, state)

    restore(30, ema=0.1)
    restore(30, swa=0.5)  # begins only later, from the weights
    for steps, switches in ((30, {"ema": 0.3}), (11, {"swa": 0.5})):
        with pytest.raises(ValueError, match="first 10 steps are averaged with other weights"):
            restore(steps, **switches)


def test_a_shorter_run_may_average_like_a_longer_one() -> None:
    for share in (0.05, 0.07, 0.1, 1 / 3):
        longer = Regularization(ema=share)
        ours = shares(averaged_like(longer, 40, 120), 40)
        assert ours == shares(longer, 120)[:40]
    equal = Regularization(swa=0.3)
    assert averaged_like(equal, 40, 120) == equal
    assert unshared(equal, 40, 120, 33) == unshared(Regularization(ema=0.3), 40, 120, 33) == ""
    assert "from step 24 on; expected lower swa" in unshared(Regularization(swa=0.8), 40, 120, 33)
    assert "over 48 steps; expected lower ema" in unshared(Regularization(ema=0.4), 40, 120, 33)
