"""How the budget's length is shared out over arms, and what may change when a study goes on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from selector.config.decode import Mistakes
from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.space.cost import flops_per_token
from selector.space.space import assign
from selector.study.arms import resolve
from selector.study.lengths import scaled, settle, untimed
from selector.study.study import from_mapping, question_changes

TEXT = 1_000_000  # tokens of a training part


@cache
def asked(*overrides: str):
    return resolve(compose_study(study_file("quickstart"), list(overrides)))


def settled(study, training_tokens=TEXT):
    mistakes = Mistakes()
    found = settle(study, training_tokens, mistakes)
    mistakes.raise_if_any()
    return found


def tokens(study):
    return {arm.name: arm.tokens for arm in study.arms}


def refused(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settled(asked(*overrides))
    return str(caught.value)


def test_equal_tokens_whatever_they_cost():
    study = asked("optimizer=adamw", "model=pico,nano")
    assert tokens(study) == {"pico": 262_144, "nano": 262_144}


def test_equal_flops_by_formula():
    study = asked("optimizer=adamw", "model=pico,nano", "fair=flops")
    first, second = study.arms
    assert first.tokens == 262_144
    spent = [arm.tokens * flops_per_token(arm.config) for arm in study.arms]
    step = second.config.batch.tokens_per_step * flops_per_token(second.config)
    assert second.tokens < first.tokens / 2
    assert abs(spent[0] - spent[1]) <= step / 2
    assert second.tokens % second.config.batch.tokens_per_step == 0


def test_equal_flops_of_a_trial_that_changes_its_cost():
    study = asked("optimizer=adamw", "fair=flops", "model.depth=range(1,6,1)")
    arm = study.arms[0]
    for depth in (1, 6):
        config = assign(arm.config, {"model.depth": depth})
        spent = study.tokens_of(arm, config) * flops_per_token(config)
        own = arm.tokens * flops_per_token(arm.config)
        assert abs(spent / own - 1) < 0.02
    same = assign(arm.config, {"optimizer.lr": 0.01})
    assert study.tokens_of(arm, same) == arm.tokens
    assert study.tokens_of(arm, same, "rung1") == arm.tokens // 3
    assert replace(study, fair="tokens").tokens_of(arm, config) == arm.tokens


def test_epochs_wait_for_the_data():
    study = asked("optimizer=adamw", "budget.epochs=0.5")
    assert tokens(study) == {"baseline": 0}
    assert tokens(settled(study)) == {"baseline": 499_712}  # 488 steps of 1024 tokens
    assert tokens(settled(settled(study), 2 * TEXT)) == {"baseline": 1_000_448}


def test_flops_are_those_of_the_first_arm():
    study = asked("optimizer=adamw", "model=pico,nano", "budget.flops=1e12")
    first, second = study.arms
    assert abs(first.tokens * flops_per_token(first.config) / 1e12 - 1) < 0.01
    assert second.tokens in (first.tokens, first.tokens + 1024)
    assert any(note.startswith("budget.flops: of a run of the first arm") for note in study.notes)
    equal = asked("optimizer=adamw", "model=pico,nano", "budget.flops=1e12", "fair=flops")
    for arm in equal.arms:
        assert abs(arm.tokens * flops_per_token(arm.config) / 1e12 - 1) < 0.05


def test_seconds_are_equal_by_what_the_pilots_measured():
    study = asked("fair=seconds")
    assert [arm.name for arm in untimed(study)] == ["adamw", "muon"]
    assert any("short pilot run" in note for note in study.notes)
    timed = settled(replace(study, pilot={"adamw": 1e-5, "muon": 2e-5}))
    assert tokens(timed) == {"adamw": 262_144, "muon": 131_072}
    assert not untimed(timed)
    assert not any("short pilot run" in note for note in timed.notes)
    assert not untimed(asked("fair=seconds", "optimizer=adamw"))


def test_what_was_measured_stays():
    stored = settled(replace(asked("fair=seconds"), pilot={"adamw": 1e-5, "muon": 2e-5}))
    read = from_mapping(stored.to_mapping())
    assert read == stored
    composed = compose_study(study_file("quickstart"), ["fair=seconds", "budget.trials=9"])
    again = settled(resolve(composed, stored))
    assert again.pilot == stored.pilot
    assert tokens(again) == tokens(stored)
    assert question_changes(stored, again) == []
    assert resolve(compose_study(study_file("quickstart"), []), stored).pilot == {}


def test_compared_lengths_are_read_at_the_first_arm():
    study = asked("optimizer=adamw", "model=pico,nano", "budget.tokens=2e5,8e5", "fair=flops")
    found = tokens(study)
    assert found["pico, tokens=200000"] == 200_000
    assert found["pico, tokens=800000"] == 800_000
    ratio = found["nano, tokens=800000"] / found["nano, tokens=200000"]
    assert ratio == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["budget.tokens=5"], "budget.tokens: expected at least one step (1024 tokens), got 5"),
        (["budget.tokens=5,1e5"], "budget.tokens: expected at least one step"),
        (["budget.epochs=1e-9"], "budget.epochs: expected at least one step"),
        (["model=pico,small", "fair=flops", "budget.tokens=2e3"], "adamw, small: budget.tokens"),
        (["batch.micro_batch=range(8,8192,8)"], "expected steps of at most a run's 262144 tokens"),
    ],
)
def test_lengths_that_are_no_step(overrides, expected):
    assert expected in refused("optimizer=adamw,muon", *overrides)


def test_what_makes_a_run_longer():
    assert scaled(asked(), 2) == ["budget.tokens=524288"]
    assert scaled(asked("budget.epochs=1.5"), 2) == ["budget.epochs=3"]
    assert scaled(asked("budget.tokens=8e5,2e5"), 2) == ["budget.tokens=400000,1600000"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["budget.tokens=3e5"], "budget.tokens: stored 262144, now 300000"),
        (["budget.epochs=2"], "budget: stored tokens=262144, now epochs=2.0"),
        (["fair=flops"], "fair: stored tokens, now flops"),
        (["subject_to=['seconds < 60']"], "subject_to: stored [], now ['seconds < 60']"),
        (["budget.rungs=always"], "rungs: stored False, now True"),
        (["budget.trials=7"], "budget.trials: stored 8, now 7; it may only grow"),
        (["budget.extensions=0"], "budget.extensions: stored 1, now 0; it may only grow"),
    ],
)
def test_what_must_not_change(overrides, expected):
    assert expected in question_changes(settled(asked()), settled(asked(*overrides)))


@pytest.mark.parametrize(
    "override",
    [
        *("budget.trials=9", "budget.replicates=5", "budget.most_replicates=8"),
        *("budget.screen=2", "budget.verdict_seeds=3", "budget.extensions=2"),
        *("budget.hours=1", "budget.device_hours=1", "budget.stop_when_clear=false"),
        *("launcher=inline", "budget.rungs=never", "pareto=[seconds]"),
    ],
)
def test_what_may_change(override):
    assert question_changes(settled(asked()), settled(asked(override))) == []


def test_another_text_is_another_length_in_epochs():
    study = asked("budget.epochs=1", "optimizer=adamw")
    changes = question_changes(settled(study), settled(study, 2 * TEXT))
    assert "baseline: tokens of a run: stored 1000448, now 1999872" in changes


def test_what_has_no_effect_is_said() -> None:
    def notes(*overrides: str) -> list[str]:
        return [note for note in asked(*overrides).notes if "no effect" in note]

    assert (
        notes("regularization.ema=0.1", "batch.context_start=16", "batch.context_warmup=0.5") == []
    )
    (short,) = notes("optimizer=adamw", "regularization.ema=0.001")
    assert "an average over 0.001 of 256 steps is that of the last one alone" in short
    (start,) = notes("batch.context_start=16")
    assert start == "batch.context_start: has no effect with context_warmup=0"
