"""What is compared: the product of values, or a list of arms, and a short name for each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from selector.config.command_line import (
    LENGTHS,
    OUTSIDE_ARMS,
    CommandLine,
    check_compared,
    check_lengths,
    check_option,
)
from selector.config.compose import Composer
from selector.config.decode import Mistakes, unknown
from selector.config.dotted import has_key
from selector.config.question import Question
from selector.config.schema import GROUPS, PARTS, RunConfig

#: However many `max_arms` allows: every arm is composed before anything else can be said of it.
_MOST_ARMS = 10_000


def compared_arms(
    question: Question, given: CommandLine, composer: Composer, mistakes: Mistakes
) -> list[dict[str, Any]]:
    """What is compared, arm by arm: group or dotted key -> option or value."""
    compare = {**question.compare, **given.compare}
    # What the command line gives a key replaces what the file compares.
    fixed = {*given.groups, *given.values, *given.ranges}
    if {*fixed, *given.compare}.intersection(LENGTHS):  # one thing, in whatever words
        fixed |= {*LENGTHS} - set(given.compare)
    compare = {key: values for key, values in compare.items() if key not in fixed}
    listed = [
        {key: value for key, value in arm.items() if key not in {*fixed, *given.compare}}
        for arm in question.arms or ({},)
    ]
    for key, value in itertools.chain(
        ((key, value) for key, values in compare.items() for value in values),
        ((key, value) for arm in listed for key, value in arm.items()),
    ):
        check_compared(key, mistakes)
        if key in GROUPS:
            check_option(key, value, composer, mistakes)
        elif key.partition(".")[0] not in (*PARTS, *OUTSIDE_ARMS):
            mistakes.add(f"compare.{key}", unknown("group or key", key, PARTS))
    count = len(listed) * math.prod(map(len, compare.values()))
    if count > _MOST_ARMS:  # counted before they are made: twelve lists of ten fill the memory
        mistakes.add("compare", f"{count} arms, each with a search of its own; expected fewer")
        return []
    arms = [
        {**arm, **dict(zip(compare, values, strict=True))}
        for arm in listed
        for values in itertools.product(*compare.values())
    ]
    for arm in arms:
        check_lengths(arm, "compare", mistakes)
    unique = list({repr(arm): arm for arm in arms}.values())
    if question.then:
        _check_then(list(compare), len(unique), mistakes)
    if len(unique) > question.max_arms:
        text = (
            f"{len(unique)} arms, each with a search of its own; at most {question.max_arms}"
            f" unless told: max_arms={len(unique)}"
        )
        mistakes.add("compare", text)
    return unique


def keys_of_some(
    arms: Sequence[Mapping[str, Any]],
    raws: Sequence[Mapping[str, Any]],
    values: Mapping[str, Any],
    mistakes: Mistakes,
) -> set[str]:
    """The dotted keys that arms are asked to have and only some have, each noted as a mistake.

    Args:
        arms: what is compared, arm by arm.
        raws: their compositions.
        values: dotted key -> value, as the command line gives it to every arm.
        mistakes: gets a line for each key, with the arms of a study file that it could be.
    """
    found = set()
    for key in dict.fromkeys([*values, *(key for arm in arms for key in arm)]):
        asked = [
            (arm, raw) for arm, raw in zip(arms, raws, strict=True) if key in {**values, **arm}
        ]
        having = [arm for arm, raw in asked if key in GROUPS or has_key(raw, key)]
        lacking = [arm for arm, raw in asked if arm not in having]
        if not having or not lacking:
            continue
        found.add(key)
        with_it = {**having[0], key: having[0].get(key, values.get(key))}
        without = {name: value for name, value in lacking[0].items() if name != key}
        text = (
            f"only some arms have this key: {_options(having)}, and not {_options(lacking)}; give"
            " it to those alone, in a study file:"
        )
        mistakes.add(key, "\n".join([text, "  arms:", _listed(with_it), _listed(without)]))
    return found


def _options(arms: Sequence[Mapping[str, Any]]) -> str:
    names = [arm_name({k: v for k, v in arm.items() if k in GROUPS}) for arm in arms]
    return " and ".join(dict.fromkeys(names))


def _listed(arm: Mapping[str, Any]) -> str:
    """An arm as a line of YAML."""
    return f"    - {{{', '.join(f'{key}: {_text(value)}' for key, value in arm.items())}}}"


def _check_then(compared: list[str], arms: int, mistakes: Mistakes) -> None:
    """Note a mistake where accepted choices could not be put together after the verdict."""
    if compared:
        mistakes.add(
            "then",
            "together needs `arms:`, each with its changes to the first; where"
            f" {' and '.join(compared)} {'are' if len(compared) > 1 else 'is'} compared, every"
            " combination is an arm already or there is none; then=[] leaves the stage out",
        )
    elif arms < 3:
        mistakes.add(
            "then",
            "together needs a baseline and at least two arms that change something in it, got"
            f" {arms} in all; then=[] leaves the stage out",
        )


def mixed_precisions(arms: Mapping[str, RunConfig]) -> list[str]:
    """A note for each arm that differs from the first in precision and in more than that.

    Where another arm differs from it in its precision alone, precision is what is compared.
    """
    notes = []
    first_name, first = next(iter(arms.items()))
    for name, config in arms.items():
        twin = replace(config, compute=first.compute)
        if config.compute.precision == first.compute.precision or twin in arms.values():
            continue
        notes.append(
            f"arm {name} computes in {config.compute.precision} and {first_name} in"
            f" {first.compute.precision}, and they differ in more: what is found between them may"
            " be the precision's doing; give both one compute.precision, or add an arm that"
            " differs in nothing else"
        )
    return notes


def arm_name(compared: Mapping[str, Any]) -> str:
    """A short name: options alone, values behind the last word of their key."""
    leaves = [key.rpartition(".")[2] for key in compared if key not in GROUPS]
    words = []
    for key, value in compared.items():
        if key in GROUPS:
            words.append(str(value))
        else:
            leaf = key.rpartition(".")[2]
            label = key if leaves.count(leaf) > 1 else leaf
            words.append(f"{label}={_text(value)}")
    return ", ".join(words) or "baseline"


def _text(value: Any) -> str:
    if isinstance(value, float) and value >= 1e6 and float(f"{value:g}") == value:
        return f"{value:g}".replace("e+", "e")
    return str(value).lower() if isinstance(value, bool) else str(value)
