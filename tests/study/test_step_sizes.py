"""Steps larger than the text: the full batch is the largest without replacement."""

from __future__ import annotations

import pytest

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.study.arms import resolve
from selector.study.step_sizes import (
    arm_full_batch_mistakes,
    compare_with_text,
    full_batch_note,
)
from selector.study.study import Arm

TEXT = 64 * 100 + 1  # tokens: 100 windows of 64 and the last one's target


def arm(*overrides: str) -> Arm:
    asked = ["optimizer=adamw", "budget.tokens=1e6", *overrides]
    return resolve(compose_study(study_file("quickstart"), asked)).arms[0]


def test_the_full_batch_is_allowed_and_one_more_is_not() -> None:
    full = arm("batch=passes", "batch.micro_batch=25", "batch.accumulation=4")
    assert arm_full_batch_mistakes(full, TEXT) == []
    (text,) = arm_full_batch_mistakes(full, TEXT - 1)
    assert "a step of 100 sequences would read windows twice" in text
    assert "micro_batch * accumulation of at most 99, which is the full batch" in text


def test_the_largest_batch_of_a_range_counts() -> None:
    tuned = arm("batch=passes", "tune={batch.micro_batch:{choices:[16,128]}}")
    assert "a step of 128 sequences" in arm_full_batch_mistakes(tuned, TEXT)[0]


def test_with_replacement_a_larger_step_is_allowed_and_said() -> None:
    large = arm("batch.micro_batch=101")
    assert arm_full_batch_mistakes(large, TEXT) == []
    (note,) = full_batch_note(large, TEXT)
    assert "a step of 6464 tokens is larger than the training part of 6401" in note
    assert "batch.windows=disjoint" in note
    assert full_batch_note(arm("batch.micro_batch=100"), TEXT) == []


@pytest.mark.parametrize(
    ("name", "tokens"),
    [("single", 64), ("small", 256), ("default", 1024), ("large", 16_384), ("growing", 1024)],
)
def test_presets_are_what_their_comments_say(name: str, tokens: int) -> None:
    assert arm(f"batch={name}").config.batch.tokens_per_step == tokens


def test_mistakes_of_all_arms_are_told_at_once_and_notes_returned() -> None:
    allowed, large = arm("batch=passes"), arm("batch.micro_batch=101")
    assert compare_with_text([(allowed, TEXT), (large, TEXT)]) == full_batch_note(large, TEXT)
    wide = arm("batch=passes", "batch.micro_batch=200")
    with pytest.raises(ConfigError) as told:
        compare_with_text([(wide, TEXT), (large, TEXT), (allowed, 64 * 3)])
    assert len(told.value.mistakes) == 2
