"""Patience ends a run, the best evaluation is its result; without patience nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.track.run import Outcome, Run
from selector.train import checkpoint
from selector.train.loop import train
from selector.train.regularization.stopping import EarlyStopping

STEP = 64  # tokens of an optimizer step
LOSS = "validation/loss"


def seen(
    values: Sequence[float], patience: int, metric: str = LOSS, minimize: bool = True
) -> EarlyStopping:
    """The rule after evaluations at the steps 10, 20, …; it looks at none after its end."""
    rule = EarlyStopping(patience, metric, minimize=minimize)
    for place, value in enumerate(values):
        if not rule.over:
            weights = {"w": torch.tensor(float(place))}
            rule.see(10 * place + 10, {metric: value, LOSS: value, "train/loss": 0.5}, weights)
    return rule


def test_evaluations_without_a_new_best_are_counted_from_the_best() -> None:
    rule = seen([3, 2, 2.5, 1.9, 1.9, 2.0, 1.0], patience=2)
    assert (rule.best_step, rule.stops_at, rule.over) == (40, 60, True)
    assert rule.weights["w"] == 3.0
    assert rule.result(60) == {LOSS: 1.9}
    assert rule.facts() == {"best_step": 40, "stopped_at": 60}


def test_larger_may_be_better() -> None:
    rule = seen([0.2, 0.5, 0.4, 0.6, 0.5, 0.5], 2, "validation/accuracy", minimize=False)
    assert (rule.best_step, rule.stops_at) == (40, 60)


def test_a_metric_that_evaluations_do_not_give_is_replaced_by_the_loss() -> None:
    rule = seen([3, 2, 2.5, 2.6], 2, "tokens_per_second", minimize=False)
    assert (rule.best_step, rule.stops_at) == (20, 40)


def test_a_run_that_is_best_at_its_end_has_no_other_result() -> None:
    rule = seen([3, 2, 1], patience=2)
    assert rule.result(30) == {}
    assert rule.facts() == {"best_step": 30}


def test_without_patience_the_rule_only_tells() -> None:
    rule = seen([3, 2, 2.1, 2.2, 2.3, 1.0], patience=0)
    assert not rule.over
    assert rule.result(60) == {}
    assert rule.weights == {}
    assert rule.facts() == {
        "early_stopping": {"patience": 3, "best_step": 20, "would_stop_at": 50, LOSS: 2}
    }
    assert "would_stop_at" not in seen([3, 2, 2.1], patience=0).facts()["early_stopping"]


@pytest.fixture
def overfitting(
    configure: Callable[..., RunConfig], prepared: tuple[Data, Path], tmp_path: Path
) -> Callable[..., Run]:
    """A run whose validation loss rises again: large steps at a constant rate."""

    def build(patience: int, key: str = "a", lr: float = 0.03, **changes: Any) -> Run:
        config = configure(
            values={"lr": lr, "weight_decay": 0.0},
            batch={"micro_batch": 2, "context": 32},
            schedule={"name": "constant", "warmup": 0.0},
            objective={"evaluations": 20},
            regularization={"patience": patience},
        )
        given = {"stage": "verdict", "seed": 1, "tokens": 100 * STEP, **changes}
        return Run(key=key, config=config, data_folder=prepared[1], folder=tmp_path / key, **given)

    return build


def test_a_run_ends_early_with_the_values_of_its_best_evaluation(
    overfitting: Callable[..., Run], recorder: Callable[..., Any]
) -> None:
    whole, kept = recorder(), recorder()
    patient, plain = overfitting(2), overfitting(0, "b")
    train([plain], whole, "cpu")
    train([patient], kept, "cpu")
    curve, all_of_it = kept.curve("a", LOSS), whole.curve("b", LOSS)
    ended = dict(kept.ended)["a"]
    best, stopped = ended.facts["best_step"], ended.facts["stopped_at"]
    assert ended.outcome is Outcome.COMPLETE
    assert best < stopped == ended.steps < 100
    assert curve[:-1] == all_of_it[: len(curve) - 1], "until then it is the same training"
    assert curve[-1] == (stopped, dict(curve[:-1])[best])
    assert curve[-1][1] == min(value for _, value in curve)
    assert [step for step, _ in all_of_it][-1] == 100
    assert ended.facts["flops"] * 100 == dict(whole.ended)["b"].facts["flops"] * stopped
    # What was kept and what read the test part are the weights of that evaluation.
    weights, step = checkpoint.load(patient.folder)
    assert step == best
    shorter = overfitting(0, "c", tokens=best * STEP)
    short = recorder()
    train([shorter], short, "cpu")
    same, _ = checkpoint.load(shorter.folder)
    assert all(torch.equal(weights[name], row) for name, row in same.items())
    assert kept.curve("a", "test/loss")[0][1] == short.curve("c", "test/loss")[0][1]


def test_a_neighbour_trains_on_and_the_rule_is_told_of_it(
    overfitting: Callable[..., Run], recorder: Callable[..., Any]
) -> None:
    kept = recorder()
    train([overfitting(2), overfitting(0, "b", seed=2)], kept, "cpu")
    ended = dict(kept.ended)
    assert ended["a"].steps < ended["b"].steps == 100
    told = ended["b"].facts["early_stopping"]
    curve = dict(kept.curve("b", LOSS))
    assert told[LOSS] == curve[told["best_step"]]
    assert told["would_stop_at"] > told["best_step"]
    assert kept.curve("b", LOSS)[-1] == (100, curve[100]), "nothing acts on it"
