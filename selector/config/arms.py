"""What is compared: the product of values, or a list of arms, and a short name for each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from selector.config.command_line import OUTSIDE_ARMS, CommandLine, check_option
from selector.config.compose import Composer
from selector.config.decode import Mistakes, unknown
from selector.config.schema import GROUPS, PARTS


def compared_arms(
    root: Mapping[str, Any], given: CommandLine, composer: Composer, mistakes: Mistakes
) -> list[dict[str, Any]]:
    """What is compared, arm by arm: group or dotted key -> option or value."""
    compare = dict(root["compare"] or {})
    listed = list(root["arms"] or [{}])
    for key, values in given.compare.items():
        compare[key] = list(values)
        listed = [{k: v for k, v in arm.items() if k != key} for arm in listed]
    for key in (*given.groups, *given.values):  # a plain value fixes what would be compared
        compare.pop(key, None)
        listed = [{k: v for k, v in arm.items() if k != key} for arm in listed]
    for key, values in compare.items():
        if not isinstance(values, list) or not values:
            mistakes.add(f"compare.{key}", f"expected a list of options or values, got {values!r}")
            compare[key] = []
        elif len({repr(value) for value in values}) < len(values):
            mistakes.add(f"compare.{key}", f"expected different values, got {values}")
    for key, value in itertools.chain(
        ((key, value) for key, values in compare.items() for value in values),
        ((key, value) for arm in listed for key, value in arm.items()),
    ):
        if key in GROUPS:
            if key in OUTSIDE_ARMS:
                mistakes.add(key, "belongs to the whole study and cannot be compared")
            check_option(key, value, composer, mistakes)
        elif key.partition(".")[0] not in PARTS:
            mistakes.add(f"compare.{key}", unknown("group or key", key, PARTS))
    arms = [
        {**arm, **dict(zip(compare, values, strict=True))}
        for arm in listed
        for values in itertools.product(*compare.values())
    ]
    unique = list({repr(arm): arm for arm in arms}.values())
    most = root["max_arms"]
    if len(unique) > most:
        mistakes.add(
            "compare", f"{len(unique)} arms, each with a search of its own; at most {most}"
            f" unless told: max_arms={len(unique)}"
        )  # fmt: skip
    return unique


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
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words.append(f"{label}={text}")
    return ", ".join(words) or "baseline"
