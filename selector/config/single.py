"""One run's configuration without a study: from a recommended.yaml, or from `conf/` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selector.config.command_line import sort_overrides
from selector.config.compose import Composer, parse_overrides
from selector.config.decode import Mistakes, dataclass_from, unknown
from selector.config.locations import conf_folder
from selector.config.parts import check_keys, check_length, decode_parts
from selector.config.schema import GROUPS, PARTS, Budget, RunConfig


def compose_single(
    stored: Mapping[str, Any], overrides: Sequence[str], where: str = ""
) -> tuple[RunConfig, dict[str, str], int]:
    """One run's configuration, its choices and its tokens: from `stored`, or from `conf/` alone.

    `stored` is what a recommended.yaml holds: every part, `choices` and `budget`. A group override
    replaces that whole part of the file by the option from `conf/`.

    Raises:
        ConfigError: one line for each mistake.
    """
    mistakes = Mistakes()
    conf = conf_folder()
    composer = Composer(conf / "selector_study.yaml", conf)
    given = sort_overrides(parse_overrides(overrides, mistakes), composer, mistakes)
    for key in (*given.compare, *given.ranges):
        mistakes.add(key, "one run has one value for every key; a study compares and tunes")
    for key in given.root:
        mistakes.add("", unknown("key", key, [f"{group}.KEY" for group in GROUPS]))
    if stored and not set(PARTS) <= set(stored):
        missing = [part for part in PARTS if part not in stored]
        mistakes.add(where, f"expected a recommended.yaml; it lacks {', '.join(missing)}")
    mistakes.raise_if_any()
    base = composer.compose(given.groups)
    kept = {
        part: stored[part]
        for part in (*PARTS, "budget")
        if part in stored and part not in given.groups
    }
    shape = {**base.raw(), **kept}
    check_keys(given.values, shape, mistakes)
    mistakes.raise_if_any()
    mapping = base.resolved({**kept, "name": "single", **given.values})
    config = decode_parts(mapping, shape, mistakes)
    budget = dataclass_from(
        Budget, {**base.raw()["budget"], **mapping["budget"]}, "budget", mistakes
    )
    if config and budget:
        check_length(config, budget.tokens, mistakes)
    mistakes.raise_if_any()
    assert config is not None
    assert budget is not None
    choices = {**base.choices, **stored.get("choices", {}), **given.groups}
    return config, choices, budget.tokens
