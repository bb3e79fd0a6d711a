"""Which keys are tuned in an arm, and over which ranges.

Roles as in the Deep Learning Tuning Playbook (https://github.com/google-research/tuning_playbook):
what is compared differs between arms, what is tuned is searched anew in every arm, the rest is
fixed. With few trials only the most important keys are opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from selector.config.decode import Mistakes, setting_mistake, unknown
from selector.config.dotted import has_key, leaves, value_at
from selector.config.identity import plain
from selector.config.parts import check_keys, no_such_key
from selector.config.schema import GROUPS
from selector.config.study import ComposedArm, ComposedStudy
from selector.errors import ConfigError
from selector.space.dimension import Condition, Dimension, Interval
from selector.space.space import Space, assign
from selector.study.centred import is_centred, with_bounds
from selector.study.constraints import Constraint, known_violation
from selector.study.study import dimension_for

#: Keys opened by `tune: auto`, by trials per sub-search (the playbook's rule for Adam).
_AUTO_KEYS = ((10, 1), (25, 2))
#: Values of one range that are tried out before a study begins.
_MOST_CHECKED = 64
LR = "optimizer.lr"


def open_space(
    composed: ComposedStudy,
    arm: ComposedArm,
    opened: Collection[str] | None,
    mistakes: Mistakes,
) -> dict[str, Dimension]:
    """The dimensions of one arm, most important first.

    `opened` are the keys that `tune: auto` opened when the study was stored; None: a new study.
    """
    ranges = _wanted(composed, arm, opened)
    if composed.question.tune_lr and LR in arm.spaces and uses_optimizer(arm):
        ranges = {LR: arm.spaces[LR]} | ranges
    for key, given in composed.ranges.items():
        if value_at(plain(arm.config), key) is not None:
            ranges[key] = {**_scale(arm.spaces.get(key), given), **given}
    found = {}
    for key, mapping in ranges.items():
        if key in composed.fixed or key in arm.compared:
            continue
        before = len(mistakes.lines)
        check_keys([key], plain(arm.config), mistakes)
        if len(mistakes.lines) > before:
            continue
        if key.startswith("data.") or key == "batch.context":
            mistakes.add(key, "cannot be tuned: data is prepared before a trial is; compare it")
            continue
        try:
            given = with_bounds(composed, arm, key, mapping) if is_centred(mapping) else mapping
            found[key] = dimension_for(arm.config, key, given)
        except ValueError as error:
            mistakes.add(key, str(error))
            continue
        _check_values(arm, key, found[key], mistakes)
    return _settled(arm, found, mistakes)


def uses_optimizer(arm: ComposedArm) -> bool:
    """Whether `conf/optimizer` trains it: a function may have a learning rate of its own."""
    return arm.config.built_in or any(key.startswith("optimizer") for key in arm.compared)


def check_used(composed: ComposedStudy, mistakes: Mistakes) -> None:
    """Note a mistake for everything asked to be tuned that is in no arm."""
    tune = composed.question.tune
    keys = {key for arm in composed.arms for key in leaves(plain(arm.config))}
    spaces = {key for arm in composed.arms for key in arm.spaces}
    for key in composed.ranges:
        if key not in keys:
            mistakes.add(key, f"no arm has this key: {unknown('key', key, sorted(keys))}")
    if isinstance(tune, Mapping):
        for key in tune:
            if key not in keys:
                mistakes.add("tune", f"no arm has this key: {unknown('key', key, sorted(keys))}")
    elif isinstance(tune, tuple):
        for item in tune:
            if not any(key == item or key.startswith(f"{item}.") for key in spaces):
                known = sorted({key.partition(".")[0] for key in spaces} | spaces)
                mistakes.add("tune", unknown("group or key with a space", item, known))


def check_grid(
    arm: ComposedArm,
    dimensions: Mapping[str, Dimension],
    constraints: Sequence[Constraint],
    mistakes: Mistakes,
) -> None:
    """Note a mistake for every grid point with which no configuration can exist.

    And where some break one of `constraints` on the size of a model: a grid has no other points.
    """
    try:
        points = Space(dimensions=dimensions).grid()
    except ConfigError as error:
        mistakes.lines += error.mistakes
        return
    broke = []
    for point in points:
        try:
            beyond, text = known_violation(constraints, assign(arm.config, point), 0)
            broke += [text] if beyond > 0 else []
        except ConfigError as error:
            mistakes.lines += error.mistakes
    if broke:
        mistakes.add(
            "subject_to",
            f"{len(broke)} of {len(points)} grid points of {arm.name} break it ({broke[0]}): leave"
            " them out of the grid",
        )


def _settled(
    arm: ComposedArm, found: Mapping[str, Dimension], mistakes: Mistakes
) -> dict[str, Dimension]:
    """The dimensions that can be there, each with its conditions on other tuned keys only.

    What is fixed in the arm either fulfils a condition for good, or takes the dimension away, and
    with it those that depend on it.
    """
    config, left = plain(arm.config), dict(found)
    gone: set[str] = set()
    while True:
        before = len(gone)
        for key, item in found.items():
            kept = []
            for condition in item.when:
                other = condition.key
                if other in gone:
                    gone.add(key)
                elif other in found:
                    kept.append(condition)
                elif text := _impossible(condition, config):
                    mistakes.add(key, f"when: {text}")
                elif not condition.allows(value_at(config, other)):
                    gone.add(key)
            left[key] = replace(item, when=tuple(kept))
        if len(gone) == before:
            break
    left = {key: item for key, item in left.items() if key not in gone}
    try:
        Space(dimensions=left)
    except ConfigError as error:
        mistakes.lines += error.mistakes
        return {}
    return left


def _impossible(condition: Condition, config: Mapping[str, Any]) -> str | None:
    """Why a condition on a fixed key has no meaning, or None."""
    other = condition.key
    if not has_key(config, other):
        return no_such_key(other, config)
    current = value_at(config, other)
    wrong = [text for value in condition.values if (text := setting_mistake(other, value, current))]
    return f"{other}: {wrong[0]}" if wrong else None


def _wanted(
    composed: ComposedStudy, arm: ComposedArm, opened: Collection[str] | None
) -> dict[str, Any]:
    """What `tune:` asks for in this arm: dotted key -> range."""
    tune = composed.question.tune
    if isinstance(tune, str):  # auto
        group = "optimizer" if uses_optimizer(arm) else "objective"
        own = [key for key in arm.spaces if key.startswith(f"{group}.")]
        if opened is not None:
            own = [key for key in own if key in opened]
        count = next((n for below, n in _AUTO_KEYS if composed.budget.trials < below), len(own))
        return {key: arm.spaces[key] for key in (own[:count] if opened is None else own)}
    if isinstance(tune, Mapping):
        config = plain(arm.config)
        return {key: item for key, item in tune.items() if value_at(config, key) is not None}
    return {
        key: mapping
        for item in tune
        for key, mapping in arm.spaces.items()
        if key == item or (item in GROUPS and key.startswith(f"{item}."))
    }


def _scale(own: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a range of the command line keeps of its key's own: conditions, untagged its scale."""
    if not isinstance(own, Mapping):
        return {}
    scaled = "low" in own and "step" not in given and "log" not in given
    names = ("log", "step", "when") if scaled else ("when",)
    return {name: own[name] for name in names if name in own}


def _check_values(arm: ComposedArm, key: str, item: Dimension, mistakes: Mistakes) -> None:
    """Note a mistake for a value of the range with which no configuration can exist."""
    current = value_at(plain(arm.config), key)
    if isinstance(item, Interval) and isinstance(current, bool | str) and current != "auto":
        named = str(current).lower() if isinstance(current, bool) else current
        mistakes.add(key, f"is no number but {named}, so it has no range; expected choices")
        return
    values = item.points()
    if values is None and isinstance(item, Interval):
        few = item.integer and item.high - item.low < _MOST_CHECKED
        places = int(item.high - item.low) + 1 if few else 2
        values = tuple(item.at(place / (places - 1) - 1e-12 * place) for place in range(places))
        if few:
            values = tuple(range(int(item.low), int(item.high) + 1))
    for value in (values or ())[:_MOST_CHECKED]:
        if text := setting_mistake(key, value, current):
            mistakes.add(key, text)
            continue
        try:
            assign(arm.config, {key: value})
        except ConfigError as error:
            mistakes.lines += error.mistakes
