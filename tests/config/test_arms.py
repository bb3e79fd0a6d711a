"""Several compared axes at once, their names, and lengths as an axis."""

from __future__ import annotations

from textwrap import dedent

import pytest

from selector.config.arms import arm_name
from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError


def compose(*overrides: str, study: str = "quickstart"):
    return compose_study(study_file(study), list(overrides))


def write_study(folder, text: str):
    path = folder / "my_study.yaml"
    path.write_text("defaults: [selector_study, override model: pico, _self_]\n" + text)
    return str(path)


def names(composed):
    return [arm.name for arm in composed.arms]


def test_three_axes_at_once():
    found = compose(
        "optimizer=adamw,muon", "schedule=cosine,constant", "regularization.dropout=0,0.1"
    )
    assert names(found) == [
        f"{optimizer}, {schedule}, dropout={dropout}"
        for optimizer in ("adamw", "muon")
        for schedule in ("cosine", "constant")
        for dropout in ("0.0", "0.1")
    ]
    configs = {arm.name: arm.config for arm in found.arms}
    last = configs["muon, constant, dropout=0.1"]
    assert (last.optimizer.name, last.schedule.name) == ("muon", "constant")
    assert last.regularization.dropout == 0.1


def test_listed_arms_times_a_comparison_of_the_command_line(tmp_path):
    path = write_study(
        tmp_path,
        "name: mine\narms:\n- {optimizer: adamw, batch.micro_batch: 8}\n- {optimizer: muon}\n",
    )
    found = compose("schedule=cosine,constant", study=path)
    assert names(found) == [
        "adamw, micro_batch=8, cosine",
        "adamw, micro_batch=8, constant",
        "muon, cosine",
        "muon, constant",
    ]
    assert [arm.config.batch.micro_batch for arm in found.arms] == [8, 8, 16, 16]


def test_names_are_short_and_say_the_whole_key_where_its_last_word_is_not_enough():
    assert arm_name({}) == "baseline"
    assert arm_name({"optimizer": "adamw", "model.qk_norm": True}) == "adamw, qk_norm=true"
    assert arm_name({"optimizer.lr": 1e-05, "objective.parameters.lr": 2}) == (
        "optimizer.lr=1e-05, objective.parameters.lr=2"
    )
    assert arm_name({"budget.flops": 2.5e12}) == "flops=2.5e12"
    assert arm_name({"budget.flops": 123456789.0}) == "flops=123456789.0"  # nothing is rounded off


def test_lengths_are_compared_from_the_command_line_and_from_a_file(tmp_path):
    found = compose("optimizer=adamw", "budget.tokens=2e5,8e5")
    assert names(found) == ["tokens=200000", "tokens=800000"]
    assert [arm.length for arm in found.arms] == [("tokens", 200_000), ("tokens", 800_000)]
    path = write_study(
        tmp_path, "name: mine\ncompare: {optimizer: [adamw, muon], budget.epochs: [0.5, 2]}\n"
    )
    found = compose(study=path)
    assert names(found)[:2] == ["adamw, epochs=0.5", "adamw, epochs=2.0"]
    assert found.arms[1].length == ("epochs", 2.0)
    replaced = compose("budget.tokens=1e5", study=path)
    assert names(replaced) == ["adamw", "muon"]
    assert {arm.length for arm in replaced.arms} == {("tokens", 100_000)}
    assert names(compose("budget.flops=1e12,2e12", "optimizer=adamw", study=path)) == [
        "flops=1e12",
        "flops=2e12",
    ]
    assert names(compose("budget=smoke", study=path)) == names(found)  # fewer trials, same question


def test_an_arm_without_a_length_has_that_of_the_budget(tmp_path):
    path = write_study(tmp_path, "name: mine\narms:\n- {budget.tokens: 1e5}\n- {optimizer: muon}\n")
    assert [arm.length for arm in compose(study=path).arms] == [
        ("tokens", 100_000),
        ("tokens", 262_144),
    ]


def test_the_length_given_last_wins(tmp_path):
    path = write_study(tmp_path, "name: mine\nset: {budget.epochs: 2}\n")
    assert compose(study=path).arms[0].length == ("epochs", 2.0)
    assert compose("budget.tokens=1e5", study=path).arms[0].length == ("tokens", 100_000)
    assert compose("budget.flops=1e12", study=path).arms[0].length == ("flops", 1e12)
    assert compose("budget.epochs=0", study=path).arms[0].length == ("tokens", 262_144)
    assert compose("budget.tokens=1e5", "budget.epochs=0").arms[0].length == ("tokens", 100_000)


def test_what_is_given_to_every_arm_is_kept_for_readers(tmp_path):
    path = write_study(tmp_path, "name: mine\nset: {optimizer.beta2: 0.9, budget.trials: 3}\n")
    found = compose("optimizer=adamw,sgd", "batch.micro_batch=4", study=path)
    assert found.settings == {"optimizer.beta2": 0.9, "budget.trials": 3, "batch.micro_batch": 4}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["budget.tokens=1e5", "budget.epochs=2"], "expected one length of a run, got budget.tok"),
        (["budget.flops=1e9,1e10", "budget.epochs=2"], "expected one length of a run"),
        (["budget.epochs=1", "budget.flops=1e9"], "expected one length of a run"),
        (["budget.tokens=interval(1e5,1e6)"], "a run's length is not tuned; commas compare"),
        (["budget.trials=2,4"], "cannot be compared; of a budget, budget.tokens, budget.epochs"),
        (["budget.trials=interval(2,4)"], "belongs to the whole study and is not tuned"),
        (["launcher.workers=1,2"], "belongs to the whole study and cannot be compared"),
        (["budget.epochs=-1"], "budget.epochs: expected a finite number from 0, got -1"),
        (["budget.tokens=abc,1e5"], "budget.tokens: expected int, got 'abc'"),
        (["fair=money"], "fair: expected tokens or flops or seconds, got 'money'"),
    ],
)
def test_mistakes_on_the_command_line(overrides, expected):
    with pytest.raises(ConfigError) as caught:
        compose(*overrides)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set: {budget.tokens: 5, budget.flops: 1e9}", "set: expected one length of a run"),
        ("compare: {budget.tokens: [5], budget.epochs: [1]}", "compare: expected one length"),
        ("compare: {budget.trials: [5, 6]}", "budget.trials: belongs to the whole study"),
        ("compare: {budget: [small, smoke]}", "budget: belongs to the whole study"),
        ("arms: [{budget.tokens: 5, budget.flops: 1e9}]", "compare: expected one length"),
        ("arms: [{sampler: tpe}]", "sampler: belongs to the whole study"),
        ("compare: {budget.tokens: [200000, 2e5]}", "expected different values"),
    ],
)
def test_mistakes_in_a_study_file(tmp_path, text, expected):
    with pytest.raises(ConfigError) as caught:
        compose(study=write_study(tmp_path, f"name: mine\n{text}\n"))
    assert expected in str(caught.value)


def test_mistakes_about_lengths_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        compose("budget.tokens=1e5", "budget.epochs=2", "budget.trials=2,4", "optimizer=nope")
    assert len(caught.value.mistakes) == 3


def test_arms_of_other_precision_that_differ_in_more_are_noted(tmp_path):
    listed = "name: mine\narms:\n- {optimizer: adamw}\n- {optimizer: muon, compute: bf16}\n"
    (note,) = compose(study=write_study(tmp_path, listed)).notes
    assert note.startswith("arm muon, bf16 computes in bf16 and adamw in fp32, and they differ in")
    alone = listed + "- {compute.precision: bf16, optimizer: muon, compute.prune: 0.5}\n"
    assert len(compose(study=write_study(tmp_path, alone)).notes) == 2
    twin = listed + "- {optimizer: muon}\n"
    assert compose(study=write_study(tmp_path, twin)).notes == ()
    assert compose("optimizer=adamw,muon", "compute.precision=fp32,bf16").notes == ()
    assert compose("compute=default,bf16,fp16").notes == ()


def test_a_key_of_some_arms_is_given_in_a_study_file(tmp_path):
    """What the message offers is a study that composes."""
    overrides = ["optimizer=library,adamw,muon", "optimizer.algorithm=came", "optimizer.lr=0.01"]
    with pytest.raises(ConfigError) as caught:
        compose_study(study_file("quickstart"), overrides)
    (text,) = caught.value.mistakes
    assert text.startswith(
        "optimizer.algorithm: only some arms have this key: library, and not adamw and muon"
    )
    example = text.partition(":\n")[2]
    file = tmp_path / "offered.yaml"
    file.write_text(f"defaults: [selector_study, _self_]\nname: offered\n{dedent(example)}\n")
    came, adamw = compose_study(file, []).arms
    assert (came.config.optimizer["algorithm"], adamw.config.optimizer.name) == ("came", "adamw")
