"""Conditions in studies: from YAML to the arms' spaces, and what is refused at plan time."""

from __future__ import annotations

import pytest

from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.study.arms import resolve
from selector.study.study import from_mapping

HEAD = (
    "defaults: [selector_study, override model: pico, override optimizer: sgd, _self_]\n"
    "name: mine\n"
)
FLAG = "optimizer.nesterov: {choices: [true, false]}"


def study(folder, text, *overrides):
    path = folder / "mine.yaml"
    path.write_text(HEAD + text)
    return resolve(compose_study(path, list(overrides)))


def opened(folder, text, *overrides):
    found = study(folder, text, *overrides)
    return {arm.name: {k: str(d) for k, d in arm.space.dimensions.items()} for arm in found.arms}


def test_a_condition_on_a_tuned_key_stays_with_the_range(tmp_path):
    condition = "optimizer.momentum: {low: 0.5, high: 0.9, when: {nesterov: true}}"
    tune = f"tune:\n  {FLAG}\n  {condition}\n"
    found = study(tmp_path, tune + "tune_lr: false\n")
    (arm,) = found.arms
    assert str(arm.space.dimensions["optimizer.momentum"]) == (
        "0.5 to 0.9, where optimizer.nesterov is true"
    )
    assert from_mapping(found.to_mapping()) == found


def test_a_condition_on_a_fixed_key_is_decided_in_every_arm(tmp_path):
    text = (
        "compare: {optimizer: [sgd, muon], model.depth: [1, 2]}\ntune_lr: false\n"
        "tune: {optimizer.momentum: {low: 0.5, high: 0.9, when:"
        " {optimizer.name: muon, model.depth: 2}}}\n"
    )
    found = opened(tmp_path, text)
    assert {name: space for name, space in found.items() if space} == {
        "muon, depth=2": {"optimizer.momentum": "0.5 to 0.9"}
    }


def test_what_depends_on_an_absent_key_is_absent_too(tmp_path):
    text = (
        "compare: {optimizer: [sgd, adamw]}\ntune_lr: false\ntune:\n"
        "  batch.micro_batch: {choices: [2, 4], when: {optimizer.name: sgd}}\n"
        "  batch.accumulation: {choices: [1, 2], when: {micro_batch: 4}}\n"
    )
    found = opened(tmp_path, text)
    assert found["adamw"] == {}
    assert list(found["sgd"]) == ["batch.micro_batch", "batch.accumulation"]


def test_a_condition_that_holds_nowhere_is_said(tmp_path):
    tune = "tune: {optimizer.momentum: {low: 0.5, high: 0.9, when: {nesterov: false}}}\n"
    found = study(tmp_path, tune)
    assert "tune: optimizer.momentum is tuned in no arm: its `when` holds in none" in found.notes


def test_a_range_of_the_command_line_keeps_the_condition_of_its_key(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "sgd2.yaml").write_text(
        "name: sgd\nversion: 1\nbanked: true\nlr: 0.3\nmomentum: 0.9\nnesterov: true\n"
        "weight_decay: 0.0\nspace:\n  nesterov: {choices: [true, false]}\n"
        "  momentum: {low: 0.5, high: 0.9, when: {nesterov: true}}\n"
    )
    found = opened(
        tmp_path,
        "tune: [optimizer]\ntune_lr: false\n",
        "optimizer=sgd2",
        "optimizer.momentum=interval(0.2,0.4)",
    )
    assert found["baseline"]["optimizer.momentum"] == "0.2 to 0.4, where optimizer.nesterov is true"


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("{nesterof: true}", "when: optimizer sgd has no such key: unknown key 'nesterof'"),
        ("{nesterov: 3}", "when: optimizer.nesterov: expected true or false, got 3"),
        ("{model.depth: deep}", "when: model.depth: expected a whole number, got 'deep'"),
        (
            "{lr: 0.1}",
            "when: expected a key with choices, steps or whole numbers, got optimizer.lr",
        ),
        (
            "{momentum: 0.9}",
            "optimizer.momentum: when: each is there only where another of them is",
        ),
        ("nesterov", "when: expected a mapping of keys to values, got 'nesterov'"),
    ],
)
def test_conditions_that_cannot_be_are_mistakes_of_the_plan(tmp_path, when, text):
    tune = f"tune:\n  optimizer.momentum: {{choices: [0.8, 0.9], when: {when}}}\n"
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, tune)
    assert text in str(caught.value)


def test_every_mistake_is_found_at_once(tmp_path):
    tune = (
        f"tune:\n  {FLAG}\n  optimizer.momentum: {{low: 0.5, high: 0.9, when: {{nesterov: 1}}}}\n"
        "  optimizer.weight_decay: {low: 0.5, high: 0.9, when: {nesterof: true}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, tune)
    assert len(caught.value.mistakes) == 2
