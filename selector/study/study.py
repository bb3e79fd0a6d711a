"""A resolved study: its arms, what is tuned in each, its budget; stored as study.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from selector.config.budget import Budget
from selector.config.decode import Mistakes, dataclass_from, run_config, technique
from selector.config.dotted import leaves, value_at
from selector.config.identity import config_fingerprint, plain
from selector.config.limits import WHOLE
from selector.config.question import Margin, Notify
from selector.config.schema import Launch, RunConfig, Track
from selector.config.technique import Technique, Value
from selector.space.cost import flops_per_token
from selector.space.dimension import Dimension, dimension, range_mapping
from selector.space.length import whole_steps
from selector.space.space import Space
from selector.study.constraints import Constraint, parse_constraints

#: With rungs, trials are first trained on one of so many parts of their tokens.
RUNG_SHARE = 3
#: Of a budget, what may grow when a study goes on; time limits and stop_when_clear are free.
_MAY_GROW = ("trials", "replicates", "most_replicates", "screen", "verdict_seeds", "extensions")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One combination of what is compared."""

    name: str
    choices: Mapping[str, str]
    """Group -> option, for every group of the composition."""
    compared: Mapping[str, Value]
    """What makes it differ from the other arms: group or dotted key -> value."""
    config: RunConfig
    """Its configuration before any trial changes a value."""
    space: Space
    tokens: int
    """Training tokens of each of its runs, at the configuration above; 0: not known before the
    data is prepared."""
    length: tuple[str, float] | None = None
    """The length of a run as asked: (tokens, epochs or flops; how many); None: its tokens."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One question with everything that decides how it is answered."""

    name: str
    question: str
    metric: str
    direction: str
    seed: int
    margin: Margin
    sampler: Technique
    budget: Budget
    launcher: Launch
    tracker: Track
    arms: tuple[Arm, ...]
    tune: Any = "auto"
    """What is asked to be tuned; what it opened is in the arms' spaces."""
    asked: tuple[str, ...] = ()
    """The command line that asks it: the study file or its name, then the overrides."""
    asked_in: str = ""
    """The folder where it was asked: relative paths are below it."""
    fair: str = "tokens"
    """What a run of every arm gets as much of as one of the first arm: tokens, flops, seconds."""
    pilot: Mapping[str, float] = field(default_factory=dict)
    """Arm -> seconds of training, without evaluation, for a token at its own defaults; measured
    once, before the first trial, where `fair` is seconds."""
    fixed: Mapping[str, Value] = field(default_factory=dict)
    """Dotted key -> value, as the study file and the command line give it to every arm."""
    rungs: bool = False
    """Whether trials are first trained for a third of their length; resolved from the budget's."""
    subject_to: tuple[str, ...] = ()
    """Constraints on what a run reports or costs, as in the study file."""
    pareto: tuple[str, ...] = ()
    """Costs against which the report shows quality."""
    then: tuple[str, ...] = ()
    """Stages after the verdict."""
    after: str = ""
    """The study whose accepted choices it puts together; empty: it is no second stage."""
    notify: Notify = field(default_factory=Notify)
    """Who is told when it ends, stalls or fails; a command in it is not stored."""
    notes: tuple[str, ...] = ()
    """What was decided or dropped while the study was composed, for people."""

    @property
    def minimize(self) -> bool:
        """Whether smaller values of the metric are better."""
        return self.direction == "minimize"

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """What `subject_to` asks for."""
        mistakes = Mistakes()
        found = parse_constraints(self.subject_to, mistakes)
        mistakes.raise_if_any()
        return found

    @property
    def looks(self) -> tuple[int, ...]:
        """Sub-searches in each arm at each look; one where a search has no randomness."""
        return self.budget.looks if self.random else (1,)

    @property
    def random(self) -> bool:
        """Whether a search's outcome depends on chance: something is tuned, and not by a grid."""
        searched = any(arm.space.dimensions for arm in self.arms)
        return searched and self.sampler.name != "grid"

    @property
    def sub_searches(self) -> int:
        """Independent searches in each arm at the first look."""
        return self.looks[0]

    @property
    def verdict_seeds(self) -> int:
        """Fresh seeds for each finalist; the budget's verdict runs are kept with one sub-search."""
        return self.budget.verdict_seeds * self.budget.replicates // self.sub_searches

    @property
    def screens(self) -> bool:
        """Whether the best trials of a sub-search are trained on a screening seed."""
        return self.budget.screen > 1 and any(arm.space.dimensions for arm in self.arms)

    def trials_in(self, arm: Arm) -> int:
        """Trials in each sub-search of `arm`: the budget's, the grid's, or one to tune nothing."""
        if not arm.space.dimensions:
            return 1
        if self.sampler.name == "grid":
            return min(self.budget.trials, len(arm.space.grid()))
        return self.budget.trials

    def seed_of(self, stage: str, sub_search: int, place: int = 0) -> int:
        """The seed of a run: sub-search r has a block of seeds of its own, the same in all arms.

        With one set of seeds for everything, seed luck would drop out of the variance between
        sub-searches, and identical techniques would get a winner.
        """
        first = {"pilot": 0, "rung1": 0, "explore": 0, "screen": 250, "verdict": 500}[stage]
        return self.seed * 1_000_000 + (sub_search + 1) * 1000 + first + place

    def tokens_of(self, arm: Arm, config: RunConfig, stage: str = "explore") -> int:
        """Training tokens of a run of `arm` with `config`; a rung has a third of the whole.

        With `fair: flops` a trial that changes the cost of a token trains on fewer or more of them.
        """
        tokens = arm.tokens
        if self.fair == "flops" and config.built_in:
            own, changed = flops_per_token(arm.config), flops_per_token(config)
            if changed != own:
                tokens = whole_steps(tokens * own / changed, config)
        return max(1, tokens // RUNG_SHARE) if stage == "rung1" else tokens

    def arm(self, name: str) -> Arm:
        """The arm called `name`."""
        return next(arm for arm in self.arms if arm.name == name)

    def to_mapping(self) -> dict[str, Any]:
        """The plain form that study.yaml holds."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "arms"}
        own["notify"] = replace(self.notify, command=())
        mapping: dict[str, Any] = plain(own)
        mapping["arms"] = [
            {
                "name": arm.name,
                "compared": plain(arm.compared),
                "space": {key: range_mapping(d) for key, d in arm.space.dimensions.items()},
                "choices": dict(arm.choices),
                "tokens": arm.tokens,
                "length": plain(arm.length),
                "config": plain(arm.config),
            }
            for arm in self.arms
        ]
        return mapping


def from_mapping(mapping: Mapping[str, Any]) -> Study:
    """The study that `Study.to_mapping` described.

    Raises:
        ConfigError: the mapping was changed by hand into something impossible.
    """
    mistakes = Mistakes()
    arms = tuple(_arm(item) for item in mapping["arms"])
    parts: dict[str, Any] = {
        "margin": dataclass_from(Margin, mapping["margin"], "margin", mistakes),
        "sampler": technique(mapping["sampler"], "sampler", mistakes),
        "budget": dataclass_from(Budget, mapping["budget"], "budget", mistakes),
        "launcher": dataclass_from(Launch, mapping["launcher"], "launcher", mistakes),
        "tracker": dataclass_from(Track, mapping["tracker"], "tracker", mistakes),
        "notify": dataclass_from(Notify, mapping["notify"], "notify", mistakes),
    }
    labels = {"name": str, "question": str, "metric": str, "direction": str, "seed": int}
    for key, kind in {**labels, "asked_in": str, "after": str}.items():
        if type(mapping[key]) is not kind:
            mistakes.add(key, f"expected {kind.__name__}, got {mapping[key]!r}")
    if mapping["direction"] not in ("minimize", "maximize") or not arms:
        mistakes.add("", "expected a direction and at least one arm")
    mistakes.raise_if_any()
    return Study(
        **{key: mapping[key] for key in labels},
        **parts,
        arms=arms,
        tune=mapping["tune"],
        asked=tuple(mapping["asked"]),
        asked_in=mapping["asked_in"],
        fair=mapping["fair"],
        pilot=dict(mapping["pilot"]),
        fixed={key: _frozen(value) for key, value in mapping["fixed"].items()},
        rungs=mapping["rungs"],
        subject_to=tuple(mapping["subject_to"]),
        pareto=tuple(mapping["pareto"]),
        then=tuple(mapping["then"]),
        after=mapping["after"],
        notes=tuple(mapping["notes"]),
    )


def dimension_for(config: RunConfig, key: str, mapping: Any) -> Dimension:
    """The dimension at `key`; whole numbers where the configuration's own value is one."""
    current = value_at(plain(config), key)
    whole = current == "auto" and key.rpartition(".")[2] in WHOLE
    return dimension(key, mapping, integer=whole or isinstance(current, int))


def question_changes(stored: Study, asked: Study) -> list[str]:
    """What differs between two studies that must be the same question; counts may grow."""
    changes = []
    keys = ("metric", "direction", "seed", "margin", "sampler", "tune")
    for key in (*keys, "fair", "subject_to", "rungs"):
        old, new = plain(getattr(stored, key)), plain(getattr(asked, key))
        if old != new:
            changes.append(f"{key}: stored {old}, now {new}")
    if stored.budget.branch != asked.budget.branch:  # a rung would warm up for another time
        changes.append(f"budget.branch: stored {stored.budget.branch}, now {asked.budget.branch}")
    for key in _MAY_GROW:
        was, now = getattr(stored.budget, key), getattr(asked.budget, key)
        if key == "most_replicates":  # as far as the looks reach, however that is written
            was, now = max(stored.budget.looks), max(asked.budget.looks)
        if now < was:
            changes.append(f"budget.{key}: stored {was}, now {now}; it may only grow")
    names, new_names = [arm.name for arm in stored.arms], [arm.name for arm in asked.arms]
    if names != new_names:
        changes.append(f"arms: stored {', '.join(names)}, now {', '.join(new_names)}")
        return changes
    for old_arm, new_arm in zip(stored.arms, asked.arms, strict=True):
        if config_fingerprint(old_arm.config) != config_fingerprint(new_arm.config):
            changes += _config_changes(old_arm, new_arm)
        if (old_arm.length, old_arm.tokens) != (new_arm.length, new_arm.tokens):
            changes.append(_length_change(old_arm, new_arm))
        if old_arm.space != new_arm.space:
            was_space = {k: range_mapping(d) for k, d in old_arm.space.dimensions.items()}
            now_space = {k: range_mapping(d) for k, d in new_arm.space.dimensions.items()}
            changes.append(f"{old_arm.name}: space: stored {was_space}, now {now_space}")
    return list(dict.fromkeys(changes))


def _length_change(old: Arm, new: Arm) -> str:
    """How the length of an arm's runs changed: as it was asked, or else in what follows from it."""
    was, now = old.length or ("tokens", old.tokens), new.length or ("tokens", new.tokens)
    if was == now:
        return f"{old.name}: tokens of a run: stored {old.tokens}, now {new.tokens}"
    if was[0] == now[0]:
        return f"budget.{was[0]}: stored {was[1]}, now {now[1]}"
    return f"budget: stored {was[0]}={was[1]}, now {now[0]}={now[1]}"


def _config_changes(old: Arm, new: Arm) -> list[str]:
    was, now = leaves(plain(old.config)), leaves(plain(new.config))
    keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    return [f"{old.name}: {key}: stored {was.get(key)}, now {now.get(key)}" for key in keys]


def _arm(mapping: Mapping[str, Any]) -> Arm:
    config = run_config(mapping["config"])
    ranges = mapping["space"].items()
    return Arm(
        name=mapping["name"],
        choices=mapping["choices"],
        compared=mapping["compared"],
        config=config,
        space=Space(dimensions={key: dimension_for(config, key, value) for key, value in ranges}),
        tokens=int(mapping["tokens"]),
        length=_length(mapping["length"]),
    )


def _length(asked: Any) -> tuple[str, float] | None:
    if asked is None:
        return None
    unit, amount = asked
    return str(unit), amount


def _frozen(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value
