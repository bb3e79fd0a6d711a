"""Study file + overrides -> the arms, each a composition of its own, typed and checked.

The order in which values win: the study's groups, its `set:` values, the arm's choices, the
command line. Every mistake found on the way is collected, and all are raised together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selector.config.algorithms import not_resumable
from selector.config.arms import arm_name, compared_arms, keys_of_some, mixed_precisions
from selector.config.budget import Budget
from selector.config.command_line import (
    OUTSIDE_ARMS,
    CommandLine,
    check_lengths,
    given_last,
    sort_overrides,
)
from selector.config.compose import Composer, load_yaml, parse_overrides
from selector.config.decode import Mistakes, dataclass_from, kind_mistake, technique, unknown
from selector.config.dotted import has_key, value_at
from selector.config.identity import plain
from selector.config.limits import is_number
from selector.config.locations import conf_folder
from selector.config.parts import check_keys, decode_parts, no_such_key
from selector.config.question import Question
from selector.config.regularization import PATIENCE, patience_mistake
from selector.config.schema import GROUPS, PARTS, Launch, RunConfig, Track
from selector.config.secrets import refuse_secrets, secret_mistakes
from selector.config.technique import Technique, Value
from selector.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ComposedArm:
    """One arm as composed: what is chosen, its configuration, and what could be tuned in it."""

    name: str
    choices: Mapping[str, str]
    compared: Mapping[str, Value]
    config: RunConfig
    length: tuple[str, float]
    """Of a run, as asked: (tokens, epochs or flops; how many)."""
    spaces: Mapping[str, Any]
    """Dotted key -> range, from its options' `space:`, most important first."""


@dataclass(frozen=True, kw_only=True)
class ComposedStudy:
    """A study as composed; what is tuned is opened by `selector.study.arms`."""

    question: Question
    arms: tuple[ComposedArm, ...]
    ranges: Mapping[str, Mapping[str, Any]]
    """Ranges of the command line: dotted key -> {low, high, …}."""
    fixed: frozenset[str]
    """Dotted keys that the command line fixes: they are not tuned."""
    settings: Mapping[str, Value]
    """Dotted key -> value, as `set:` and the command line give it to every arm that has the key."""
    sampler: Technique
    budget: Budget
    launcher: Launch
    tracker: Track
    notes: tuple[str, ...] = ()


def compose_study(
    file: Path,
    overrides: Sequence[str],
    folder: Path | None = None,
    listed: Mapping[str, Mapping[str, Any]] | None = None,
) -> ComposedStudy:
    """The study in `file` under the overrides of the command line, asked in `folder`.

    Its arms are what the file compares, or those of `listed`: name -> as under `arms:`.

    Raises:
        ConfigError: one line for each mistake.
    """
    mistakes = Mistakes()
    refuse_secrets(overrides)
    composer = Composer(file, conf_folder())
    known = load_yaml(composer.conf / "selector_study.yaml").keys() - {"defaults"}
    _check_file(file, known, mistakes)
    given = sort_overrides(parse_overrides(overrides, mistakes), composer, mistakes)
    for key in given.root:
        first, _, rest = key.partition(".")
        if key == "notify":
            mistakes.add(key, "give its keys one by one, such as notify.webhook_variable=NAME")
        elif first in known and rest and first not in ("margin", "notify"):
            mistakes.add(key, f"is a part of {first}; give the whole of it")
        if first not in known:
            mistakes.add("", unknown("key", key, [*sorted(known), *(f"{g}.KEY" for g in GROUPS)]))
    mistakes.raise_if_any()
    base = composer.compose(given.groups).raw()
    if base["notify"]["command"]:
        mistakes.add(
            "notify.command",
            "a file never names a program to run: it could have been sent to you. Give it on the"
            " command line: 'notify.command=[PROGRAM,ARGUMENT]'",
        )
    question = _question(base, given, mistakes)
    chosen: Sequence[Mapping[str, Any]] = list((listed or {}).values())
    if question and listed is None:
        chosen = compared_arms(question, given, composer, mistakes)
    mistakes.raise_if_any()
    assert question is not None
    arms, notes, mappings = [], [], []
    raws = [composer.compose(_chosen(compared, given)).raw() for compared in chosen]
    partly = keys_of_some(chosen, raws, given.values, mistakes)
    for compared in chosen:
        mapping, dropped = _arm_mapping(composer, question.set, compared, given, partly, mistakes)
        notes += dropped
        if mapping is not None:
            mappings.append(mapping)
            arms.append(_typed_arm(composer, mapping, compared, given, folder, mistakes))
    if not mappings:
        mistakes.raise_if_any()
    if listed is None:
        _check_names([arm.name for arm in arms if arm], mistakes)
    mistakes.lines += [line for mapping in mappings for line in secret_mistakes(mapping)]
    question = _question(mappings[0], CommandLine(), mistakes)
    parts = _outside_arms(mappings[0], base, mistakes)
    mistakes.raise_if_any()
    assert question is not None
    named = tuple(arm for arm in arms if arm)
    if listed is not None:
        named = tuple(replace(arm, name=name) for arm, name in zip(named, listed, strict=True))
    notes += mixed_precisions({arm.name: arm.config for arm in named})
    return ComposedStudy(
        question=question,
        arms=named,
        ranges=given.ranges,
        fixed=frozenset(given.values),
        settings=_settings(question.set, mappings, given),
        notes=tuple(dict.fromkeys([*notes, *_shape_notes(named)])),
        **parts,
    )


def _shape_notes(arms: Iterable[ComposedArm]) -> list[str]:
    """What a person may not expect of the models and batches that are trained."""
    built_in = [arm.config for arm in arms if arm.config.built_in]
    return [
        *(
            f"{config.optimizer.name}: a run that is cut off begins again: {text}"
            for config in built_in
            if (text := not_resumable(config.optimizer.name, config.optimizer.values))
        ),
        *(f"model.{note}" for config in built_in for note in config.model.notes),
        *(f"batch.{note}" for config in built_in for note in config.batch.notes),
    ]


def _question(
    mapping: Mapping[str, Any], given: CommandLine, mistakes: Mistakes
) -> Question | None:
    """The keys of a composition that are no groups, under the command line."""
    root = {key: value for key, value in mapping.items() if key not in GROUPS}
    for key, value in given.root.items():
        first, _, rest = key.partition(".")
        if not rest:
            root[key] = value
        elif isinstance(root[first], Mapping):
            root[first] = {**root[first], rest: value}
        else:
            mistakes.add(key, unknown("key", key, sorted(root)))
    return dataclass_from(Question, root, "", mistakes)


def _check_file(file: Path, known: Set[str], mistakes: Mistakes) -> None:
    raw = load_yaml(file)
    for key in raw:
        if key in GROUPS:
            mistakes.add(
                f"{file}: {key}",
                "a study chooses options under `defaults:` and gives values under `set:`"
                f" (set: {{{key}.KEY: VALUE}}), else `{key}=OPTION` could not replace them",
            )
        elif key not in (*known, "defaults"):
            mistakes.add(str(file), unknown("key", str(key), sorted(known)))
    if not raw.get("defaults"):
        mistakes.add(str(file), "expected `defaults: [selector_study, …, _self_]`")


def _arm_mapping(
    composer: Composer,
    settings: Mapping[str, Any],
    compared: Mapping[str, Any],
    given: CommandLine,
    partly: Set[str],
    mistakes: Mistakes,
) -> tuple[dict[str, Any] | None, list[str]]:
    """The resolved composition of an arm and what was dropped for it; None after a mistake.

    Keys `partly` there, in some arms alone, are noted as mistakes already.
    """
    own = {key: value for key, value in compared.items() if key not in GROUPS}
    chosen = _chosen(compared, given)
    composition = composer.compose(chosen)
    raw = composition.raw()
    notes, kept = [], {}
    before = len(mistakes.lines)
    for key, value in settings.items():
        group = key.partition(".")[0]
        option = chosen.get(group)
        if option is not None and group in OUTSIDE_ARMS:  # budget=smoke means all of smoke
            notes.append(f"set: {key}={value} is dropped for {group}={option}")
        elif has_key(raw, key):
            kept[key] = value
        elif option is not None:
            notes.append(f"set: {key}={value} is dropped for {option}, which has no such key")
        else:
            mistakes.add(f"set.{key}", no_such_key(key, raw))
    check_lengths(kept, "set", mistakes)
    check_keys(kept, raw, mistakes)
    check_keys(own.keys() - partly, raw, mistakes)
    check_keys(given.values.keys() - partly, raw, mistakes)
    if partly or len(mistakes.lines) > before:
        return None, notes
    try:
        values = given_last(kept, own, given.values)
        values |= _inside(given.ranges, raw, values)
        return composition.resolved({**values, **given.root}), notes
    except ConfigError as error:
        mistakes.lines += error.mistakes
        return None, notes


def _inside(
    ranges: Mapping[str, Any], raw: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The lower ends of the ranges that an arm's own value lies outside of; no run has that value.

    So it is not refused either: a decay that is tuned may have a rule of which no default is.
    """
    own = {key: values.get(key, value_at(raw, key)) for key in ranges}
    return {
        key: item["low"]
        for key, item in ranges.items()
        if is_number(own[key]) and not item["low"] <= own[key] <= item["high"]
    }


def _typed_arm(
    composer: Composer,
    mapping: Mapping[str, Any],
    compared: Mapping[str, Any],
    given: CommandLine,
    folder: Path | None,
    mistakes: Mistakes,
) -> ComposedArm | None:
    composition = composer.compose(_chosen(compared, given))
    config = decode_parts(mapping, composition.raw(), mistakes, folder)
    budget = dataclass_from(Budget, mapping["budget"], "budget", mistakes)
    if config is None or budget is None:
        return None
    switches, metric = config.regularization, config.objective.metric
    if text := patience_mistake(switches.patience, metric, budget.length[0]):
        mistakes.add(PATIENCE, text)
    own = plain(config) | {"budget": plain(budget)}
    typed = {  # 0 and 0.0 are one value of a number: the configuration's own form names the arm
        key: value if key in GROUPS or isinstance(value, tuple) else value_at(own, key)
        for key, value in compared.items()
    }
    return ComposedArm(
        name=arm_name(typed),
        choices={k: v for k, v in composition.choices.items() if k in GROUPS},
        compared={k: tuple(v) if isinstance(v, list) else v for k, v in typed.items()},
        config=config,
        length=budget.length,
        spaces={
            f"{group}.{key}": value
            for group in PARTS
            for key, value in (mapping[group].get("space") or {}).items()
        },
    )


def _settings(
    settings: Mapping[str, Any], mappings: Sequence[Mapping[str, Any]], given: CommandLine
) -> dict[str, Value]:
    """The values given that hold in some arm, in the form that they have there."""
    found = {}
    for key in {**settings, **given.values}:
        values = [value_at(mapping, key) for mapping in mappings]
        present = [value for value in values if value is not None]
        if present and len({repr(value) for value in present}) == 1:
            found[key] = tuple(present[0]) if isinstance(present[0], list) else present[0]
    return found


def _chosen(compared: Mapping[str, Any], given: CommandLine) -> dict[str, str]:
    own = {key: str(value) for key, value in compared.items() if key in GROUPS}
    return {**given.groups, **own}


def _check_names(names: Sequence[str], mistakes: Mistakes) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        mistakes.add("compare", f"{names.count(name)} arms are called {name!r}: they must differ")


def _outside_arms(
    mapping: Mapping[str, Any], raw: Mapping[str, Any], mistakes: Mistakes
) -> dict[str, Any]:
    for key, value in mapping["sampler"].items():
        if text := kind_mistake(value, raw["sampler"].get(key, value)):
            mistakes.add(f"sampler.{key}", text)
    return {
        "sampler": technique(mapping["sampler"], "sampler", mistakes),
        "budget": dataclass_from(Budget, mapping["budget"], "budget", mistakes),
        "launcher": dataclass_from(Launch, mapping["launcher"], "launcher", mistakes),
        "tracker": dataclass_from(Track, mapping["tracker"], "tracker", mistakes),
    }
