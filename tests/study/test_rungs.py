"""When trials may first be trained for a third of their length."""

from __future__ import annotations

import pytest

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.study.arms import resolve
from selector.study.rungs import rungs_or_reason

LONG = "budget.tokens=4e6"  # a third has 1302 steps of 1024 tokens


def resolved(*overrides: str):
    return resolve(compose_study(study_file("quickstart"), list(overrides)))


def rungs_note(study) -> str:
    return next((note for note in study.notes if note.startswith("rungs: ")), "")


def test_long_runs_of_optimizers_and_schedules_have_rungs():
    for overrides in ([], ["schedule=cosine,linear_to_zero"], ["fair=seconds"], ["sampler=tpe"]):
        study = resolved(LONG, *overrides)
        assert study.rungs
        assert not rungs_note(study)
    assert not resolved(LONG, "budget.rungs=never").rungs


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["batch.micro_batch=8,16"], "batch.micro_batch is compared"),
        (["model=pico,nano"], "model is compared"),
        (["regularization.dropout=interval(0,0.3)"], "regularization.dropout is tuned"),
        (["budget.tokens=4e6,8e6"], "budget.tokens is compared"),
        (["optimizer.lr=0.01"], "nothing is tuned"),
        (["objective=function", "objective.function=a:b", "tune_lr=false"], "a function decides"),
    ],
)
def test_rungs_that_would_mislead_are_off_and_refused(overrides, reason):
    given = [LONG, *overrides] if not overrides[0].startswith("budget") else overrides
    study = resolved(*given)
    assert not study.rungs
    assert f"rungs: off: {reason}" in rungs_note(study)
    with pytest.raises(ConfigError, match=rf"budget\.rungs: .* got always: {reason}"):
        resolved(*given, "budget.rungs=always")


def test_short_rungs_are_off_unless_asked_for():
    study = resolved("budget.tokens=1536000")  # 1500 steps: exactly 500 in a third
    assert study.rungs
    study = resolved("budget.tokens=1530000")
    assert not study.rungs
    assert "off: a third of a run of adamw has 498 steps" in rungs_note(study)
    study = resolved("budget.tokens=1530000", "budget.rungs=always")
    assert study.rungs
    assert "a third of a run of adamw has 498 steps" in rungs_note(study)


def test_arms_of_unknown_length_are_not_judged_by_it():
    study = resolved("budget.epochs=3")
    assert rungs_or_reason("auto", study.arms) == (True, "")
