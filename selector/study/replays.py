"""Studies against a table: everything that is wrong with it is said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from selector.config.command_line import LENGTHS
from selector.config.decode import Mistakes
from selector.config.limits import is_number
from selector.config.objective import Objective
from selector.config.schema import RunConfig
from selector.errors import InputError
from selector.launch.lookup import Lookup, lookup_for
from selector.launch.rows import Rows
from selector.space.dimension import Choices, Interval
from selector.study.study import Arm, Study
from selector.track.run import Stage

#: Where the settings of a replay lie: the only keys that can make a difference to it.
PREFIX = "objective.parameters."
#: A run is replayed by rows of another length without a word up to this factor.
_SAME_LENGTH = 1.2


def with_tables(study: Study) -> Study:
    """The study with its tables checked and named by their content, and notes on what they lack.

    Raises:
        InputError: every mistake in the tables, and whatever no row could answer.
    """
    mistakes = Mistakes()
    notes: list[str] = []
    arms, without_short = [], []
    ranges = _ranges(study)
    for arm in study.arms:
        config = arm.config
        if config.objective.kind != "replay":
            text = f"{config.objective.kind} cannot be compared with replays"
            mistakes.add("objective.kind", text)
            continue
        for key in [*arm.compared, *arm.space.dimensions]:
            selects_rows = key.startswith("objective") or (
                key in LENGTHS and config.objective.horizon
            )
            if not selects_rows:
                mistakes.add(key, f"has no effect on a replay: expected {PREFIX}NAME")
        try:
            objective = _with_scales(config.objective, ranges)
            lookup = lookup_for(objective)
        except InputError as error:
            mistakes.lines += error.mistakes
            continue
        objective = replace(objective, fingerprint=lookup.table.fingerprint)
        arm = replace(arm, config=replace(config, objective=objective))
        if lookup.left_out:
            count, table = lookup.left_out, objective.table
            notes.append(f"{table}: {count} rows without a result are left out")
        for rows in _rows(arm, lookup, study.tokens_of(arm, arm.config), mistakes):
            notes += _notes(arm, rows)
        short = study.tokens_of(arm, arm.config, Stage.RUNG1)
        if study.rungs and not all(
            _is_of_length(rows, arm, short) for rows in _rows(arm, lookup, short, mistakes)
        ):
            without_short.append(f"no rows of {arm.name} are of {short} tokens")
        arms.append(arm)
    if without_short and study.budget.rungs == "always":
        mistakes.add("budget.rungs", f"expected never or auto, got always: {without_short[0]}")
    if mistakes.lines:
        raise InputError(list(dict.fromkeys(mistakes.lines)))
    if without_short:
        notes.append(f"rungs: off: {without_short[0]}")
    return replace(
        study,
        arms=tuple(arms),
        rungs=study.rungs and not without_short,
        notes=tuple(dict.fromkeys((*study.notes, *notes))),
    )


def with_table(config: RunConfig) -> RunConfig:
    """The configuration of a single run with its table checked and named by its content.

    Raises:
        InputError: every mistake in the table.
    """
    objective = _with_scales(config.objective, {})
    lookup = lookup_for(objective)
    lookup.rows(objective.parameters, 1)
    return replace(config, objective=replace(objective, fingerprint=lookup.table.fingerprint))


def _ranges(study: Study) -> dict[str, Interval]:
    """Parameter -> a range in which it is tuned, in any arm."""
    return {
        key.removeprefix(PREFIX): item
        for arm in study.arms
        for key, item in arm.space.dimensions.items()
        if isinstance(item, Interval)
    }


def _with_scales(objective: Objective, ranges: Mapping[str, Interval]) -> Objective:
    """The objective with a scale for each number that needs one.

    What is not tuned over a range is a name and matched exactly; a range that is not logarithmic
    leaves it to the table's numbers whether they are.
    """
    found: dict[str, Any] = {}
    for name, value in objective.parameters.items():
        if is_number(value) and name not in ranges:
            found[name] = "exact"
        elif name in ranges and ranges[name].log:
            found[name] = "log"
    return replace(objective, scales={**found, **objective.scales})


def _rows(arm: Arm, lookup: Lookup, tokens: int, mistakes: Mistakes) -> Iterator[Rows]:
    """The rows of the given length for each choice in the arm; a mistake for what none answers."""
    for changes in _choices(arm):
        try:
            yield lookup.rows({**arm.config.objective.parameters, **changes}, tokens)
        except InputError as error:
            mistakes.lines += error.mistakes


def _choices(arm: Arm) -> Iterator[dict[str, Any]]:
    """Changes of the parameters with each of which some row must agree."""
    listed = {
        key.removeprefix(PREFIX): item.values
        for key, item in arm.space.dimensions.items()
        if isinstance(item, Choices)
    }
    if not listed:
        yield {}
    for name, values in listed.items():
        for value in values:
            yield {name: value}


def _is_of_length(rows: Rows, arm: Arm, tokens: int) -> bool:
    """Whether rows are about as long as a run of so many tokens, or of no known length."""
    length = (rows.horizon or 0.0) * arm.config.objective.horizon_tokens
    return not length or max(length / tokens, tokens / length) <= _SAME_LENGTH


def _notes(arm: Arm, rows: Rows) -> Iterator[str]:
    objective, tokens = arm.config.objective, arm.tokens
    if objective.noise == 0 or (objective.noise == "rows" and rows.spread == 0):
        yield (
            f"{arm.name}: its rows are not repeated, so that every seed has the same value, and"
            " what the intervals say of noise is too little; objective.noise=SD adds some"
        )
    if objective.lookup == "interpolate" and not rows.names:
        yield f"{arm.name}: lookup=interpolate has no effect: nothing is tuned over a range"
    if rows.horizon is not None and not _is_of_length(rows, arm, tokens):
        length = rows.horizon * objective.horizon_tokens
        yield f"{arm.name}: runs of {tokens} tokens are replayed by rows of {length:.0f}"
    for key, item in arm.space.dimensions.items():
        name = key.removeprefix(PREFIX)
        if not isinstance(item, Interval) or name not in rows.names:
            continue
        low, high = rows.reach(name)
        if item.low < low * (1 - 1e-9) or item.high > high * (1 + 1e-9):
            yield (
                f"{arm.name}: {key} is tuned over {item}, its rows lie at {low:g} to {high:g}:"
                " outside, the outermost rows answer"
            )
