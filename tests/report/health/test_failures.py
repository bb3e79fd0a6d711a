"""Failed runs and their remedies, planted and not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from selector.config.batch import Batch
from selector.report.health.remedy import smaller_batch
from selector.track.run import Outcome, Result, Trial
from tests.report.build import ADAMW, MUON, Surface, finished
from tests.report.health.planted import all_found, found


def test_divergence_asks_for_a_range_that_ends_at_what_trained() -> None:
    (finding,) = found(finished(Surface(cliff=3e-3)), "many failures")
    assert "diverged" in finding.text
    assert "'optimizer.lr=tag(log,interval(0.0003,0.00" in finding.remedy


def test_crashes_have_no_remedy_in_a_configuration() -> None:
    crash = finished(
        ADAMW, outcome=lambda trial, stage: Outcome.CRASHED if trial.index < 3 else None
    )
    (finding,) = found(crash, "many failures")
    assert finding.remedy == ""


def test_out_of_memory_asks_for_smaller_micro_batches_at_the_same_tokens_per_step() -> None:
    built = finished(
        *(ADAMW, MUON),
        outcome=lambda trial, stage: Outcome.OUT_OF_MEMORY if trial.number in (1, 40) else None,
    )
    first, second = found(built, "out of memory")
    assert (first.arm, second.arm) == ("adamw", "muon")
    assert first.remedy == (
        "selector run optimizers batch.micro_batch=4 batch.accumulation=2"
        " name=optimizers_smaller_batch"
    )
    assert not found(built, "many failures")


@pytest.mark.parametrize(
    ("size", "accumulation", "expected"),
    [
        (16, 1, ["batch.micro_batch=8", "batch.accumulation=2"]),
        (3, 2, ["batch.micro_batch=1", "batch.accumulation=6"]),
        (9, 1, ["batch.micro_batch=3", "batch.accumulation=3"]),
        (1, 4, []),
    ],
)
def test_a_smaller_micro_batch_keeps_the_tokens_of_a_step(
    size: int, accumulation: int, expected: list[str]
) -> None:
    batch = Batch(micro_batch=size, accumulation=accumulation, context=64)
    assert smaller_batch(batch) == expected
    if expected:
        changed = [int(text.partition("=")[2]) for text in expected]
        smaller = Batch(micro_batch=changed[0], accumulation=changed[1], context=64)
        assert smaller.tokens_per_step == batch.tokens_per_step


@pytest.mark.parametrize(
    ("name", "bound", "remedy"),
    [
        ("peak_memory_gib", 20, "batch.micro_batch=4 batch.accumulation=2"),
        ("seconds", 10, "budget.tokens=163840"),
        ("bits", 3, ""),
    ],
)
def test_trials_that_break_a_constraint_are_counted(name: str, bound: int, remedy: str) -> None:
    def measured(times: float) -> Callable[[Result, Trial, str], Result]:
        """Three of four trials at `times` the bound, the fourth at half of it."""

        def change(result: Result, trial: Trial, stage: str) -> Result:
            value = bound * (times if trial.index % 4 else 0.5)
            if name == "seconds":
                return replace(result, seconds=value)
            return replace(result, facts={**result.facts, name: value})

        return change

    constraint = f"{name} < {bound}"
    (finding,) = found(
        finished(ADAMW, change=measured(1.5), subject_to=(constraint,)), "few trials are allowed"
    )
    assert finding.text.startswith("24 of 32 trials completed but")
    assert f"break a constraint ({constraint})" in finding.text
    assert remedy in finding.remedy
    assert bool(remedy) == bool(finding.remedy)
    sound = finished(ADAMW, change=measured(0.9), subject_to=(constraint,))
    assert all_found(sound) == []
