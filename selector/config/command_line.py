"""The command line, sorted by what each override does: choose, fix, compare, tune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from selector.config.compose import Composer, Override
from selector.config.decode import Mistakes, unknown
from selector.config.schema import GROUPS

#: Groups of the whole study: they cannot differ between arms.
OUTSIDE_ARMS = ("sampler", "budget", "launcher", "tracker")
#: Keys that only a study file gives.
FILE_ONLY = ("compare", "arms", "set")


@dataclass
class CommandLine:
    """Every override of a command, in the order given."""

    groups: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    root: dict[str, Any] = field(default_factory=dict)
    compare: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    ranges: dict[str, Any] = field(default_factory=dict)


def sort_overrides(
    found: Sequence[Override], composer: Composer, mistakes: Mistakes
) -> CommandLine:
    """Sort overrides by what they do; what has no meaning in its place is noted as a mistake."""
    given = CommandLine()
    keys = [item.key for item in found]
    for key in dict.fromkeys(keys):
        if keys.count(key) > 1:
            mistakes.add(key, "is given more than once")
    for item in found:
        group, _, rest = item.key.partition(".")
        if item.key in GROUPS:
            if item.kind == "range":
                mistakes.add(item.key, "a range needs a number; name options with commas")
                continue
            options = item.value if item.kind == "choices" else (item.value,)
            for option in options:
                check_option(item.key, option, composer, mistakes)
            if item.kind == "choices":
                given.compare[item.key] = options
            else:
                given.groups[item.key] = str(item.value)
        elif group in GROUPS and rest:
            target = {
                "value": given.values, "choices": given.compare, "range": given.ranges
            }[item.kind]  # fmt: skip
            target[item.key] = item.value
        elif group in FILE_ONLY:
            mistakes.add(item.key, "is given in the study file; commas compare on the command line")
        elif item.kind == "value":
            given.root[item.key] = item.value
        else:
            mistakes.add(item.key, "is one value for the whole study; it is not compared or tuned")
    for key in given.compare:
        if key.partition(".")[0] in OUTSIDE_ARMS:
            mistakes.add(key, "belongs to the whole study and cannot be compared")
    return given


def check_option(group: str, option: Any, composer: Composer, mistakes: Mistakes) -> None:
    """Note a mistake where `option` is no option of `group`."""
    known = composer.options(group)
    if str(option) not in known:
        mistakes.add(group, unknown("option", str(option), known))
