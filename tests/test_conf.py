"""Every technique has a file, an implementation and a space of its own keys; all compose."""

from __future__ import annotations

from dataclasses import fields

import pytest

from selector.config.catalogue import axes, first_comment
from selector.config.compose import load_yaml
from selector.config.dotted import value_at
from selector.config.locations import conf_folder, study_file
from selector.config.model import Model
from selector.config.schema import GROUPS, PARTS
from selector.config.study import compose_study
from selector.launch import LAUNCHERS
from selector.space.dimension import dimension

OPTIONS = [(group, option) for group, options in axes().items() for option in options]


def test_files_and_implementations_match_exactly():
    from selector.train.model import MODELS
    from selector.train.objective import OBJECTIVES
    from selector.train.optimizer import OPTIMIZERS
    from selector.train.schedule import SCHEDULES

    found = axes()
    banked = {option: item.banked for option, item in found["optimizer"].items()}
    assert banked == {name: kind.banked for name, kind in OPTIMIZERS.items()}
    assert set(found["schedule"]) == set(SCHEDULES)
    assert set(found["objective"]) == {*OBJECTIVES, "function", "replay"}
    assert set(found["launcher"]) == set(LAUNCHERS)
    assert {whole("model", name)["family"] for name in found["model"]} == set(MODELS)


def whole(group, option):
    """An option's keys, those included that it takes over from another of its group."""
    mapping = load_yaml(conf_folder() / group / f"{option}.yaml")
    bases = [name for name in mapping.pop("defaults", []) if name != "_self_"]
    for base in bases:
        mapping = {**whole(group, base), **mapping}
    return mapping


def test_every_field_of_a_model_can_be_set_in_its_file():
    assert whole("model", "pico").keys() - {"space"} == {item.name for item in fields(Model)}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_says_what_it_is_and_has_a_space_of_its_own_keys(group, option):
    path = conf_folder() / group / f"{option}.yaml"
    assert first_comment(path), f"{path} has no comment"
    mapping = whole(group, option)
    assert mapping["name"] == option
    for key, space in mapping.get("space", {}).items():
        assert value_at(mapping, key) is not None, f"{path}: space.{key} is no key of it"
        dimension(f"{group}.{key}", space)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes(group, option):
    overrides = [f"{group}={option}"]
    if group != "optimizer":
        overrides.append("optimizer=adamw")  # one arm: each is a composition of its own
    if (group, option) == ("data", "text"):
        overrides.append("data.paths=[x.txt]")
    if (group, option) == ("objective", "function"):
        overrides.append("objective.function=a:b")
    if (group, option) == ("objective", "replay"):
        overrides += ["objective.table=x.csv", "objective.metric=loss"]
    study = compose_study(study_file("quickstart"), overrides)
    assert [arm.choices[group] for arm in study.arms] == [option]


def test_groups_and_folders_match():
    folders = {path.name for path in conf_folder().iterdir() if path.is_dir()}
    assert folders == set(GROUPS)
    assert set(PARTS) < set(GROUPS)
