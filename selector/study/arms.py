"""Which keys are tuned in each arm: from a composed study to a resolved one.

Roles as in the Deep Learning Tuning Playbook (https://github.com/google-research/tuning_playbook):
what is compared differs between arms, what is tuned is searched anew in every arm, the rest is
fixed. With few trials only the most important keys are opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector.config.decode import Mistakes, dataclass_from, unknown
from selector.config.identity import plain
from selector.config.parts import check_length
from selector.config.schema import GROUPS
from selector.config.study import ComposedArm, ComposedStudy
from selector.errors import ConfigError
from selector.space.dimension import Dimension, Interval
from selector.space.space import Space, assign
from selector.study.study import Arm, Margin, Study, dimension_for, value_at

#: Keys opened by `tune: auto`, by trials per sub-search (the playbook's rule for Adam).
_AUTO_KEYS = ((10, 1), (25, 2))
_LR = "optimizer.lr"


def resolve(composed: ComposedStudy, stored: Study | None = None) -> Study:
    """The study with the spaces of its arms opened.

    What `tune: auto` chose when the study was stored stays: a larger budget opens no further keys.

    Raises:
        ConfigError: a key or a range that no arm has, or that cannot be.
    """
    mistakes = Mistakes()
    root = composed.root
    margin = dataclass_from(Margin, root["margin"], "margin", mistakes)
    if not isinstance(root["tune_lr"], bool):
        mistakes.add("tune_lr", f"expected true or false, got {root['tune_lr']!r}")
    if not isinstance(root["seed"], int) or isinstance(root["seed"], bool) or root["seed"] < 0:
        mistakes.add("seed", f"expected a whole number from 0, got {root['seed']!r}")
    for key in ("name", "question"):
        if not isinstance(root[key], str):
            mistakes.add(key, f"expected text, got {root[key]!r}")
    judged = {
        (arm.config.objective.metric, arm.config.objective.direction) for arm in composed.arms
    }
    if len(judged) > 1:
        mistakes.add("objective", f"arms are judged by different metrics: {sorted(judged)}")
    for composed_arm in composed.arms:
        check_length(composed_arm.config, composed.budget.tokens, mistakes)
    spaces = [_open(composed, arm, mistakes) for arm in composed.arms]
    _check_used(composed, mistakes)
    mistakes.raise_if_any()
    frozen = _frozen_spaces(composed, stored)
    arms = tuple(
        Arm(
            name=arm.name,
            choices=arm.choices,
            compared=arm.compared,
            config=arm.config,
            space=frozen.get(arm.name) or Space(dimensions=space),
        )
        for arm, space in zip(composed.arms, spaces, strict=True)
    )
    if composed.sampler.name == "grid":
        for arm in arms:
            arm.space.grid()  # raises where a range cannot be enumerated
    assert margin is not None
    return Study(
        name=root["name"],
        question=root["question"],
        metric=arms[0].config.objective.metric,
        direction=arms[0].config.objective.direction,
        seed=root["seed"],
        margin=margin,
        sampler=composed.sampler,
        budget=composed.budget,
        launcher=composed.launcher,
        tracker=composed.tracker,
        arms=arms,
        notes=(*composed.notes, *_notes(composed, arms)),
    )


def _frozen_spaces(composed: ComposedStudy, stored: Study | None) -> dict[str, Space]:
    if stored is None or composed.root["tune"] != "auto" or composed.ranges:
        return {}
    return {arm.name: arm.space for arm in stored.arms}


def _open(composed: ComposedStudy, arm: ComposedArm, mistakes: Mistakes) -> dict[str, Dimension]:
    """The dimensions of one arm, most important first."""
    ranges = _wanted(composed, arm, mistakes)
    if composed.root["tune_lr"] is True and _LR in arm.spaces and _uses_optimizer(arm):
        ranges = {_LR: arm.spaces[_LR]} | ranges
    for key, given in composed.ranges.items():
        if value_at(plain(arm.config), key) is not None:
            own = arm.spaces.get(key) or {}
            kept = {name: own[name] for name in ("log", "step") if name in own and "low" in own}
            if "step" in given or "log" in given:
                kept = {}
            ranges[key] = {**kept, **given}
    closed = {*composed.fixed, *arm.compared}
    found = {}
    for key, mapping in ranges.items():
        if key in closed and key not in composed.ranges:
            continue
        try:
            found[key] = dimension_for(arm.config, key, mapping)
        except ValueError as error:
            mistakes.add(key, str(error))
            continue
        _check_bounds(arm, key, found[key], mistakes)
    return found


def _check_bounds(arm: ComposedArm, key: str, item: Dimension, mistakes: Mistakes) -> None:
    """Every end of a range and every choice must be a configuration that can exist."""
    values = [item.at(0.0), item.at(1 - 1e-12)] if isinstance(item, Interval) else item.points()
    for value in values or ():
        try:
            assign(arm.config, {key: value})
        except ConfigError as error:
            mistakes.lines += error.mistakes


def _uses_optimizer(arm: ComposedArm) -> bool:
    """A function of the user's may have a learning rate of its own instead."""
    return arm.config.objective.kind != "function" or any(
        key.startswith("optimizer") for key in arm.compared
    )


def _wanted(composed: ComposedStudy, arm: ComposedArm, mistakes: Mistakes) -> dict[str, Any]:
    """What `tune:` asks for in this arm: dotted key -> range."""
    tune = composed.root["tune"]
    if tune == "auto":
        group = "optimizer" if _uses_optimizer(arm) else "objective"
        own = [key for key in arm.spaces if key.startswith(f"{group}.")]
        count = next((n for below, n in _AUTO_KEYS if composed.budget.trials < below), len(own))
        return {key: arm.spaces[key] for key in own[:count]}
    if isinstance(tune, Mapping):
        return {
            str(key): mapping
            for key, mapping in tune.items()
            if value_at(plain(arm.config), str(key)) is not None
        }
    if not isinstance(tune, list):
        mistakes.add(
            "tune", f"expected auto, a list of groups or keys, or key: range; got {tune!r}"
        )
        return {}
    found: dict[str, Any] = {}
    for item in map(str, tune):
        for key, mapping in arm.spaces.items():
            if key == item or (item in GROUPS and key.startswith(f"{item}.")):
                found[key] = mapping
    return found


def _check_used(composed: ComposedStudy, mistakes: Mistakes) -> None:
    """What is asked to be tuned must be there in at least one arm."""
    tune = composed.root["tune"]
    keys = {key for arm in composed.arms for key in _leaf_keys(arm)}
    spaces = {key for arm in composed.arms for key in arm.spaces}
    for key in composed.ranges:
        if key not in keys:
            mistakes.add(key, f"no arm has this key: {unknown('key', key, sorted(keys))}")
    if isinstance(tune, Mapping):
        for key in tune:
            if key not in keys:
                mistakes.add("tune", f"no arm has this key: {unknown('key', key, sorted(keys))}")
    elif isinstance(tune, list):
        for item in map(str, tune):
            opened = any(key == item or key.startswith(f"{item}.") for key in spaces)
            if not opened:
                known = sorted({key.partition(".")[0] for key in spaces} | spaces)
                mistakes.add("tune", unknown("group or key with a space", item, known))


def _leaf_keys(arm: ComposedArm) -> list[str]:
    def walk(node: Mapping[str, Any], prefix: str) -> list[str]:
        found = []
        for key, value in node.items():
            if isinstance(value, Mapping):
                found += walk(value, f"{prefix}{key}.")
            else:
                found.append(prefix + key)
        return found

    labels = (".name", ".version", ".banked", ".fingerprint", ".vocabulary")
    return [key for key in walk(plain(arm.config), "") if not key.endswith(labels)]


def _notes(composed: ComposedStudy, arms: tuple[Arm, ...]) -> list[str]:
    notes = []
    for arm, source in zip(arms, composed.arms, strict=True):
        if _uses_optimizer(source) and _LR not in arm.space.dimensions and _LR in source.spaces:
            notes.append(
                f"{arm.name}: the learning rate is fixed at {source.config.optimizer['lr']},"
                " not tuned: the comparison holds for this rate"
            )
    if composed.sampler.name == "grid" and composed.budget.replicates > 1:
        notes.append("a grid has no randomness: one sub-search an arm, and the seed is the unit")
    return notes
