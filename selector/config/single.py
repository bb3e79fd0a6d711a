"""One run's configuration without a study: from a recommended.yaml, or from `conf/` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.config.budget import Budget
from selector.config.command_line import LENGTHS, CommandLine, given_last, sort_overrides
from selector.config.compose import Composer, parse_overrides
from selector.config.decode import Mistakes, dataclass_from, unknown
from selector.config.locations import conf_folder
from selector.config.parts import check_keys, decode_parts
from selector.config.regularization import PATIENCE, patience_mistake
from selector.config.schema import GROUPS, PARTS, Launch, RunConfig, Track
from selector.config.secrets import refuse_secrets, secret_mistakes
from selector.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Single:
    """One run to make, and where."""

    config: RunConfig
    length: tuple[str, float]
    """As asked: (tokens, epochs or flops; how many)."""
    seed: int
    origin: Mapping[str, Any]
    """The study and the trial whose recommendation it starts from; empty: none."""
    launcher: Launch
    tracker: Track
    notes: tuple[str, ...] = ()
    """What a person may not expect: settings of the recommendation that an option replaced."""


def compose_single(stored: Mapping[str, Any], overrides: Sequence[str], where: str = "") -> Single:
    """One run: of `stored`, or of the defaults in `conf/`, under overrides.

    `stored` is what a recommended.yaml holds: every part, `budget` and `origin`. A group override
    replaces that whole part of the file by the option from `conf/`. The seed is that of the
    recommendation's first verdict run.

    Raises:
        ConfigError: one line for each mistake; `where` names the file.
    """
    mistakes = Mistakes()
    refuse_secrets(overrides)
    conf = conf_folder()
    composer = Composer(conf / "selector_study.yaml", conf)
    given = sort_overrides(parse_overrides(overrides, mistakes), composer, mistakes)
    _refuse_what_has_no_meaning(given, stored, where, mistakes)
    mistakes.raise_if_any()
    origin = stored.get("origin") or {}
    seed = given.root.get("seed", origin.get("seed", 0))
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        mistakes.add("seed", f"expected a whole number from 0, got {seed!r}")
    base = composer.compose(given.groups)
    kept = {
        part: stored[part]
        for part in (*PARTS, "budget")
        if part in stored and part not in given.groups
    }
    kept["budget"] = {**base.raw()["budget"], **kept.get("budget", {})}
    shape = {**base.raw(), **kept}
    check_keys(given.values, shape, mistakes)
    mistakes.raise_if_any()
    mapping = base.resolved({**kept, "name": "single", **given_last(given.values)})
    mistakes.lines += secret_mistakes(mapping)
    config = decode_parts(mapping, shape, mistakes)
    budget = dataclass_from(Budget, mapping["budget"], "budget", mistakes)
    launcher = dataclass_from(Launch, mapping["launcher"], "launcher", mistakes)
    tracker = dataclass_from(Track, mapping["tracker"], "tracker", mistakes)
    mistakes.raise_if_any()
    assert config is not None
    assert budget is not None
    assert launcher is not None
    assert tracker is not None
    # What is stored was checked by its study; only its length in tokens is known now.
    if not (stored.get("regularization") or {}).get("patience"):
        switches, metric = config.regularization, config.objective.metric
        if text := patience_mistake(switches.patience, metric, budget.length[0]):
            raise ConfigError(f"{PATIENCE}: {text}")
    return Single(
        config=config,
        length=budget.length,
        seed=seed,
        origin=origin,
        launcher=launcher,
        tracker=tracker,
        notes=_replaced(stored, given, composer),
    )


def _replaced(stored: Mapping[str, Any], given: CommandLine, composer: Composer) -> tuple[str, ...]:
    """What the recommendation had chosen in a part that an option on the command line replaces.

    What the replaced option itself has by default is no choice: `model=nano` is to change its size.
    """
    found = []
    for part in PARTS:
        option = (stored.get("choices") or {}).get(part)
        if part not in given.groups or option not in composer.options(part):
            continue
        usual = composer.compose({part: option}).raw()[part]
        chosen = [
            f"{part}.{key}={_text(value)}"
            for key, value in stored[part].items()
            if key in usual and value != usual[key] and f"{part}.{key}" not in given.values
        ]
        if chosen:
            found.append(
                f"{part}={given.groups[part]} replaces the recommended {part}, and these choices of"
                f" it; add what is to stay: {' '.join(chosen)}"
            )
    return tuple(found)


def _text(value: Any) -> str:
    """A value as the command line takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")


def _refuse_what_has_no_meaning(
    given: CommandLine, stored: Mapping[str, Any], where: str, mistakes: Mistakes
) -> None:
    """Note what belongs to a study, and what makes `stored` no recommendation."""
    for key in (*given.compare, *given.ranges):
        mistakes.add(key, "one run has one value for every key; a study compares and tunes")
    for key in given.root:
        if key != "seed":
            mistakes.add("", unknown("key", key, ["seed", *(f"{group}.KEY" for group in GROUPS)]))
    for key in (*given.groups, *given.values):
        study_only = key.startswith("budget.") and key not in LENGTHS
        if key.partition(".")[0] == "sampler" or study_only:
            mistakes.add(key, "has no effect on one run")
    for key in ("budget", "origin"):
        if not isinstance(stored.get(key, {}), Mapping):
            mistakes.add(f"{where}: {key}", f"expected a mapping, got {stored[key]!r}")
    missing = [part for part in PARTS if not isinstance(stored.get(part), Mapping)]
    if (stored or where) and missing:
        mistakes.add(where, f"expected a recommended.yaml; it lacks {', '.join(missing)}")
