"""What a schedule cannot do in runs of some length, and notes on odd combinations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.study.arms import resolve
from selector.study.schedules import schedule_notes
from selector.study.study import Study

BASE = ("optimizer=adamw", "batch.micro_batch=1", "batch.context=10", "budget.tokens=1000")


def study(*overrides: str) -> Study:
    return resolve(compose_study(study_file("quickstart"), [*BASE, *overrides]))


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ("schedule=cosine_restarts schedule.cycles=7", "expected at least 2"),
        ("schedule=cyclic schedule.cycles=30", "schedule.cycles: 30 do not fit into the 90 steps"),
        (
            "schedule=cyclic tune={schedule.cycles:{choices:[2,60]}}",
            "schedule.cycles: 60 do not fit",
        ),
        ("schedule.warmup=0.999", "schedule.warmup: 100 of 100 steps leave none"),
        (
            "schedule=step schedule.milestones=[0.08,0.5] schedule.warmup=auto",
            "expected shares beyond the warmup of 10 steps, got 0.08 of 100",
        ),
    ],
)
def test_what_does_not_fit_is_refused(overrides: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        study(*overrides.split())


@pytest.mark.parametrize(
    "overrides",
    [
        "schedule=cosine_restarts schedule.cycles=6 schedule.warmup=0",  # 63 parts: 1.6 steps
        "schedule=cyclic schedule.cycles=22",
        "schedule=step schedule.warmup=auto",
    ],
)
def test_what_fits_is_not(overrides: str) -> None:
    if "cycles=6" in overrides:
        with pytest.raises(ConfigError):
            study(*overrides.split())
        overrides = overrides.replace("cycles=6", "cycles=5")
    assert study(*overrides.split()).arms[0].config.steps(1000) == 100


def test_a_decay_that_is_cut_short_is_said() -> None:
    asked = ("schedule=warmup_stable_decay", "schedule.warmup=0.1")
    assert not schedule_notes(study(*asked))
    (note,) = schedule_notes(study(*asked, "schedule.decay=0.95"))
    assert "95 steps of decay do not fit into 100 beside a warmup of 10" in note
    (note,) = schedule_notes(study(*asked, "schedule.decay=0.004"))
    assert note.endswith("a decay over 0.004 of 100 steps has none")


def test_a_falling_rate_under_a_schedule_free_optimizer_is_said() -> None:
    found = study("schedule=constant,cosine,linear_to_zero")
    free = [
        replace(
            arm,
            config=replace(
                arm.config, optimizer=replace(arm.config.optimizer, name="schedule_free_adamw")
            ),
        )
        for arm in found.arms
    ]
    assert not schedule_notes(found)
    (note,) = schedule_notes(replace(found, arms=tuple(free)))
    assert note.startswith("schedule: schedule_free_adamw: an average of the weights takes")
    assert "with cosine or linear_to_zero there are both" in note


def test_of_a_library_the_algorithm_is_named() -> None:
    algorithms = "optimizer.algorithm=schedulefreeradam,schedulefreesgd"
    asked = [*BASE[1:], "optimizer=library", algorithms]
    (note,) = schedule_notes(resolve(compose_study(study_file("quickstart"), asked)))
    assert note.startswith("schedule: schedulefreeradam and schedulefreesgd: an average")
