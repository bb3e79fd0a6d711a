"""What training curves say, planted and not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.report.build import ADAMW, METRIC, MUON, finished
from tests.report.health.planted import all_found, found, healthy, reporting


def test_runs_that_are_still_falling_ask_for_more_tokens() -> None:
    built = finished(ADAMW)
    assert not found(built, "still improving at the end")
    reporting(built, lambda share: {METRIC: 3.5 - share})
    (finding,) = found(built, "still improving at the end")
    assert "the last quarter of its runs still brought 0.260" in finding.text
    assert finding.remedy == "selector run optimizers budget.tokens=655360 name=optimizers_longer"


def spiking(share: float) -> dict[str, float]:
    return healthy(share) | ({"train/loss": 5.0} if share in (0.6, 0.8) else {})


def test_spikes_in_the_training_loss_ask_for_tighter_clipping() -> None:
    (finding,) = found(reporting(finished(ADAMW, MUON), spiking, "muon"), "unstable curves")
    assert finding.arm == "muon"
    assert "in 8 of the 8 runs of its best settings the training loss jumped up" in finding.text
    assert finding.remedy == (
        "selector run optimizers regularization.grad_clip=0.5 name=optimizers_calmer"
    )


def test_a_late_increase_is_unstable_too() -> None:
    def rising(share: float) -> dict[str, float]:
        late = max(0.0, share - 0.7)
        return healthy(share) | {"train/loss": healthy(share)["train/loss"] + 10 * late}

    (finding,) = found(reporting(finished(ADAMW), rising), "unstable curves")
    assert "jumped up, by 3." in finding.text


def test_a_function_is_judged_by_its_own_metric() -> None:
    def jumping(share: float) -> dict[str, float]:
        return {METRIC: 2.0 + (1 - share) + (4.0 if share == 0.5 else 0.0)}

    built = finished(ADAMW, objective="function")
    (finding,) = found(reporting(built, jumping), "unstable curves")
    assert finding.remedy == ""


def overfitted(share: float) -> dict[str, float]:
    found, late = healthy(share), 0.3 * max(0.0, share - 0.4)
    return found | {METRIC: found[METRIC] + late, "train/loss": found["train/loss"] - late}


def test_a_growing_gap_while_validation_rises_is_overfitting() -> None:
    (finding,) = found(reporting(finished(ADAMW), overfitted), "overfitting")
    assert "best after 48 % of the training" in finding.text
    assert finding.remedy == (
        "selector run optimizers regularization.dropout=0.1 optimizer.weight_decay=0.2"
        " name=optimizers_regularized"
    )
    first, _ = found(reporting(finished(ADAMW, MUON), overfitted), "overfitting")
    assert "weight_decay" not in first.remedy, "it is another quantity in another optimizer"


def test_runs_counted_in_epochs_may_end_early_instead() -> None:
    built = reporting(finished(ADAMW, epochs=20.0), overfitted)
    (finding,) = [item for item in all_found(built) if item.check == "overfitting"]
    assert " regularization.patience=3 name=optimizers_regularized" in finding.remedy


def only_worse(share: float) -> dict[str, float]:
    """Both parts get worse: that is no overfitting."""
    late = 0.3 * max(0.0, share - 0.4)
    return {METRIC: 2.4 + late, "train/loss": 2.3 + late}


def gap_without_harm(share: float) -> dict[str, float]:
    """The gap grows and validation still gets better."""
    return {METRIC: 3.0 - 0.01 * share, "train/loss": 3.0 - share}


@pytest.mark.parametrize("curve", [healthy, only_worse, gap_without_harm])
def test_what_is_not_overfitting(curve: Callable[[float], dict[str, float]]) -> None:
    assert not found(reporting(finished(ADAMW), curve), "overfitting")


def test_one_odd_run_of_many_is_no_finding() -> None:
    built = reporting(finished(ADAMW, MUON), healthy)
    one = next(item for item in built.record.runs("verdict"))
    built.store.write(f"{one.run.key}/metrics.jsonl", "")
    for step in range(1, 51):
        built.record.report(one.run.key, step, spiking(step / 50) | overfitted(step / 50))
    built.record.finish(one.run.key, one.result)
    assert all_found(built) == []
