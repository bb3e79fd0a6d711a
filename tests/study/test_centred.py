"""Ranges around a law: bounds that are frozen with the study, a note, and what is refused."""

from __future__ import annotations

import pytest

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.space.cost import non_embedding_parameters
from selector.space.dimension import Interval
from selector.space.step_law import step_law
from selector.study.arms import resolve
from selector.study.study import Study, from_mapping


def study(*overrides: str) -> Study:
    return resolve(compose_study(study_file("quickstart"), list(overrides)))


def test_a_rate_around_the_law_is_a_plain_range_of_the_study() -> None:
    found = study("optimizer=adamw", "tune={optimizer.lr:{around:step_law,factor:4}}")
    (arm,) = found.arms
    item = arm.space.dimensions["optimizer.lr"]
    assert isinstance(item, Interval)
    lr, _ = step_law(non_embedding_parameters(arm.config), arm.tokens)
    assert (item.low, item.high) == pytest.approx((lr / 4, lr * 4), rel=5e-3)
    assert item.log
    assert from_mapping(found.to_mapping()) == found
    stored = found.to_mapping()["arms"][0]["space"]["optimizer.lr"]
    assert stored.keys() == {"low", "high", "log"}
    (note,) = [note for note in found.notes if "Step Law" in note]
    assert note.startswith("baseline: the range of optimizer.lr lies around lr ")
    assert "fitted to 2e8-1e9 parameters on 4e9-1e11 tokens" in note
    assert note.endswith("where to search, not what is best")


def test_every_arm_has_a_middle_of_its_own() -> None:
    found = study(
        "optimizer=adam,adamw", "model=pico,nano", "tune={optimizer.lr:{around:step_law}}"
    )
    lows = [arm.space.dimensions["optimizer.lr"].low for arm in found.arms]  # type: ignore[union-attr]
    assert len(set(lows)) == 2  # by size, not by optimizer
    assert len([note for note in found.notes if "Step Law" in note]) == 4


def test_a_batch_around_the_law_is_in_whole_sequences() -> None:
    found = study(
        "optimizer=adamw", "budget.tokens=4e6",
        "tune={batch.micro_batch:{around:step_law,factor:4}}",
    )  # fmt: skip
    item = found.arms[0].space.dimensions["batch.micro_batch"]
    assert isinstance(item, Interval)
    middle = 0.58 * 4e6**0.571 / 64
    assert (item.low, item.high, item.integer) == (round(middle / 4), round(middle * 4), True)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["optimizer=adamw,muon"], "was found for AdamW and says nothing of muon"),
        (["optimizer=adamw", "budget.epochs=2"], "are known after the text is read"),
    ],
)
def test_a_middle_that_is_not_known_is_refused(overrides: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        study(*overrides, "tune={optimizer.lr:{around:step_law}}")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("{optimizer.lr:{around:kaplan}}", "around: expected step_law, got 'kaplan'"),
        ("{optimizer.lr:{around:step_law,factor:1}}", "factor: expected a finite number above 1"),
        ("{optimizer.lr:{around:step_law,low:1}}", "expected a range around a middle with"),
        ("{optimizer.weight_decay:{around:step_law}}", "says nothing of optimizer.weight_decay"),
    ],
)
def test_what_is_no_range_around_a_middle_is_refused(given: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        study("optimizer=adamw", f"tune={given}")
