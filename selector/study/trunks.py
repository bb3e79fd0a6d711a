"""`selector train --from FOLDER`: one run that starts from the trunk another one left.

The length may be any that the trunk is a beginning of, and the decay another: one trunk serves a
ladder of lengths. Everything else must be as it was, and every mistake is found before training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selector.config.decode import Mistakes, run_config
from selector.config.dotted import leaves
from selector.config.identity import config_content, plain
from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.study.branching import branch_mistake
from selector.track.record import from_yaml
from selector.track.trunk import MANIFEST, has_trunk, trunk_folder
from selector.train.regularization.horizon import averaged_like
from selector.train.schedule import factors, warmed_like

_OF_THE_DECAY = ("schedule.decay", "schedule.shape", "schedule.floor")


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The trunk of a stored run, and what that run was."""

    folder: Path
    """Of the run."""
    config: RunConfig
    seed: int
    tokens: int
    trunk_for: int
    """Length in tokens whose warmup it has."""
    step: int
    """Steps that a run starting from it is spared."""

    @property
    def mapping(self) -> dict[str, Any]:
        """The run it was made for, in the form of a recommended.yaml."""
        origin = {"seed": self.seed, "run": str(self.folder)}
        return {**plain(self.config), "budget": {"tokens": self.trunk_for}, "origin": origin}


def open_trunk(folder: Path) -> Trunk:
    """The trunk that the run in `folder` left.

    Raises:
        ConfigError: that is no run's folder, or it has no trunk, or one of its files is damaged.
    """
    if not (folder / "run.yaml").is_file():
        raise ConfigError(f"--from: expected the folder of a run, and {folder} has no run.yaml")
    if not has_trunk(folder):
        raise ConfigError(
            f"--from: the run in {folder} left no trunk; a run of `selector train` leaves one with"
            " --trunk-for TOKENS, a study's rungs with budget.branch=true until it goes on"
        )
    try:
        run = from_yaml((folder / "run.yaml").read_text(encoding="utf-8"))
        if "config" in run:
            config = run["config"]
        else:
            trial = folder.parent.parent / "trial.yaml"
            config = from_yaml(trial.read_text(encoding="utf-8"))["config"]
        manifest = json.loads((trunk_folder(folder) / MANIFEST).read_text(encoding="utf-8"))
        return Trunk(
            folder=folder,
            config=run_config(config),
            seed=int(run["seed"]),
            tokens=int(run["tokens"]),
            trunk_for=int(run["trunk_for"]),
            step=int(manifest["step"]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"--from: {folder} is damaged: {what}") from error


def continued(trunk: Trunk, config: RunConfig, seed: int, tokens: int) -> RunConfig:
    """`config` with the trunk's warmup, in steps: a run of `tokens` of it can start from `trunk`.

    Raises:
        ConfigError: one line for each reason why it cannot.
    """
    mistakes = Mistakes()
    if seed != trunk.seed:
        mistakes.add("seed", f"the trunk is of seed {trunk.seed}, got {seed}")
    was, now = _before_the_decay(trunk.config), _before_the_decay(config)
    for key in {**was, **now}:
        if was.get(key) != now.get(key):
            mistakes.add(key, f"the trunk has {was.get(key)}, got {now.get(key)}")
    mistakes.raise_if_any()
    steps, longer = config.steps(tokens), trunk.config.steps(trunk.trunk_for)
    schedule = warmed_like(config.schedule, steps, longer)
    theirs = warmed_like(trunk.config.schedule, trunk.config.steps(trunk.tokens), longer)
    made = factors(theirs, trunk.config.steps(trunk.tokens))[: trunk.step]
    if steps <= trunk.step or factors(schedule, steps)[: trunk.step] != made:
        raise ConfigError(
            f"budget.tokens: {steps} steps with this schedule do not begin with the {trunk.step}"
            " steps of the trunk; expected more tokens or a shorter schedule.decay"
        )
    switches = averaged_like(config.regularization, steps, longer)
    return replace(config, schedule=schedule, regularization=switches)


def check_trunk_for(config: RunConfig, tokens: int, longer: int) -> None:
    """Refuse a length of `longer` tokens to which no run could continue one of `tokens`.

    Raises:
        ConfigError: it is not longer, or shares nothing but the warmup.
    """
    if longer <= tokens:
        raise ConfigError(
            f"--trunk-for: expected more tokens than the run's own {tokens}, got {longer}"
        )
    if text := branch_mistake(config, tokens, longer):
        raise ConfigError(f"--trunk-for: {text}")


def _before_the_decay(config: RunConfig) -> Mapping[str, Any]:
    """What a trunk depends on: all but the end of the schedule."""
    content = leaves(config_content(config))
    return {key: content[key] for key in content if key not in _OF_THE_DECAY}
