"""What is compared: the product of values, or a list of arms, and a short name for each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
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
from selector.config.question import Question
from selector.config.schema import GROUPS, PARTS, RunConfig


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
