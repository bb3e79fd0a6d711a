"""The command line, sorted by what each override does: choose, fix, compare, tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selector.config import algorithms
from selector.config.compose import Composer, Override
from selector.config.decode import Mistakes, unknown
from selector.config.question import Question
from selector.config.schema import GROUPS

#: Groups of the whole study: they cannot differ between arms.
OUTSIDE_ARMS = ("sampler", "budget", "launcher", "tracker")
#: But for the length of a run, in one of these words.
LENGTHS = ("budget.tokens", "budget.epochs", "budget.flops")
#: Keys of a study that are no groups.
_OF_THE_STUDY = frozenset(Question.__dataclass_fields__)
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
        elif item.key in LENGTHS and item.kind == "range":
            mistakes.add(item.key, "a run's length is not tuned; commas compare lengths")
        elif group in OUTSIDE_ARMS and item.kind == "range":
            mistakes.add(item.key, "belongs to the whole study and is not tuned")
        elif group in GROUPS and rest:
            target = {
                "value": given.values, "choices": given.compare, "range": given.ranges
            }[item.kind]  # fmt: skip
            target[item.key] = item.value
        elif group in FILE_ONLY:
            mistakes.add(item.key, "is given in the study file; commas compare on the command line")
        elif item.kind == "value" or item.key.partition(".")[0] not in _OF_THE_STUDY:
            given.root[item.key] = item.value
        else:
            mistakes.add(item.key, "is one value for the whole study; it is not compared or tuned")
    for key in given.compare:
        check_compared(key, mistakes)
    check_lengths({**given.compare, **given.values}, "", mistakes)
    return given


def check_compared(key: str, mistakes: Mistakes) -> None:
    """Note a mistake where `key` cannot differ between arms."""
    if key.partition(".")[0] in OUTSIDE_ARMS and key not in LENGTHS:
        text = "belongs to the whole study and cannot be compared"
        lengths = f"; of a budget, {', '.join(LENGTHS)} can" if key.startswith("budget") else ""
        mistakes.add(key, text + lengths)


def check_lengths(values: Mapping[str, Any], where: str, mistakes: Mistakes) -> None:
    """Note a mistake where one place gives a run two lengths; 0 is none."""
    given = [key for key in LENGTHS if values.get(key)]
    if len(given) > 1:
        words = " and ".join(f"{key}={values[key]}" for key in given)
        mistakes.add(where, f"expected one length of a run, got {words}")


def given_last(*places: Mapping[str, Any]) -> dict[str, Any]:
    """The values of several places, later ones first: a length takes the place of all before it."""
    found: dict[str, Any] = {}
    for values in places:
        if any(values.get(key) for key in LENGTHS):
            found = {key: value for key, value in found.items() if key not in LENGTHS}
            found |= dict.fromkeys(LENGTHS[1:], 0)
        found |= values
    return found


def check_option(group: str, option: Any, composer: Composer, mistakes: Mistakes) -> None:
    """Note a mistake where `option` is no option of `group`."""
    known = composer.options(group)
    if str(option) in known:
        return
    written = algorithms.written_as(str(option), known) if group == "optimizer" else ""
    plain = unknown("option", str(option), known)
    mistakes.add(group, f"unknown option {str(option)!r}; {written}" if written else plain)
