"""Earlier observations as a start: imported ones or those of a stored study, and what fits an arm.

They are a start for samplers that learn, never evidence: the verdict rests on this study's runs.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.config.decode import unknown
from selector.config.dotted import leaves
from selector.config.identity import config_content, plain
from selector.config.limits import is_number
from selector.config.schema import GROUPS
from selector.config.technique import Value
from selector.errors import ConfigError, StudyError
from selector.space.dimension import Choices
from selector.study.sampler import Past, make_sampler
from selector.study.stored import StoredStudy, check_name, find_study
from selector.study.study import Arm, Study
from selector.study.telling import told
from selector.track.record import FORMAT
from selector.track.run import Outcome, Stage
from selector.track.store import FolderStore

#: In the folder of an import.
FILE = "observations.json"
#: Choices that decide what a value means; batch, regularization and compute do not.
_AXES = ("model", "optimizer", "schedule", "objective", "data")
#: Outcomes that say something about the configuration.
_INFEASIBLE = (Outcome.DIVERGED, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One earlier run."""

    values: Mapping[str, Value]
    """Group or dotted key -> option or value."""
    value: float | None
    """Of the metric; None: it diverged."""
    tokens: int | None = None
    """Its length in training tokens, where that is known."""
    violated: float = -1.0
    """By how much it broke the constraints of its study; at most 0: it broke none."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Earlier runs under one name, in the order they were made."""

    name: str
    source: str
    """Where they come from, for people."""
    metric: str
    """What their values are called there."""
    direction: str = ""
    """minimize or maximize; empty: not known."""
    rows: tuple[Observation, ...]


def write_observations(observations: Observations, runs: Path) -> Path:
    """Store them under runs/NAME; returns the file.

    Raises:
        ConfigError: the name cannot name a folder.
        StudyError: something is stored under that name.
    """
    folder = runs / check_name(observations.name)
    taken = [name for name in ("study.yaml", FILE) if (folder / name).exists()]
    if taken:
        raise StudyError(f"{folder / taken[0]}: is there already; import under another name")
    content = {"format": FORMAT, **plain(observations)}
    FolderStore(folder).write(FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return folder / FILE


def read_observations(name: str, runs: Path) -> Observations:
    """What is stored under `name`: an import, or the search of a study.

    Raises:
        StudyError: there is nothing under that name, or it cannot be read.
        ConfigError: the name cannot name a folder.
    """
    path = runs / check_name(name) / FILE
    text = FolderStore(path.parent).read(FILE)
    if text is None:
        stored = find_study(name, runs)
        if stored is None:
            names = sorted({item.parent.name for item in runs.glob(f"*/{FILE}")} | _studies(runs))
            raise StudyError(f"{runs}: {unknown('import or study', name, names)}")
        return of_study(stored)
    try:
        mapping = parsed(text)
        rows = tuple(
            Observation(
                values={key: as_tuple(value) for key, value in row["values"].items()},
                value=None if row["value"] is None else float(row["value"]),
                tokens=row["tokens"],
                violated=float(row.get("violated", -1.0)),
            )
            for row in mapping["rows"]
        )
        labels = {key: str(mapping[key]) for key in ("source", "metric", "direction")}
        return Observations(name=name, rows=rows, **labels)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{path}: is damaged: {error}") from error


def of_study(stored: StoredStudy) -> Observations:
    """The finished runs of a study's search; crashed and lost ones say nothing."""
    rows = []
    arms = {arm.name: arm for arm in stored.study.arms}
    for item in stored.record.runs():
        if item.run.stage not in (Stage.RUNG1, Stage.EXPLORE):
            continue
        if item.trial is None or item.result is None or item.trial.arm not in arms:
            continue
        outcome, arm = item.result.outcome, arms[item.trial.arm]
        if outcome is Outcome.COMPLETE or outcome in _INFEASIBLE:
            chosen = {axis: arm.choices[axis] for axis in _AXES if axis in arm.choices}
            values = {**chosen, **arm.compared, **item.trial.values}
            told_ = item.result.told
            broke = outcome is Outcome.COMPLETE and told_ is not None
            rows.append(
                Observation(
                    values=values,
                    value=item.result.value,
                    tokens=item.run.tokens,
                    violated=told_.constraint if broke and told_ else -1.0,
                )
            )
    study = stored.study
    return Observations(
        name=study.name,
        source=f"the study {study.name}",
        metric=study.metric,
        direction=study.direction,
        rows=tuple(rows),
    )


def prior(
    observations: Observations, study: Study, arms: Sequence[Arm] | None = None
) -> dict[str, list[Past]]:
    """Arm -> the observations that fit it, as if its search had begun with them; of all, or `arms`.

    One fits where it says all that is compared and tuned in the arm, lies inside the arm's space,
    agrees with the arm in everything else it says, and has the length of the arm's runs.

    Raises:
        ConfigError: it was a study of another metric, or better means another direction.
    """
    if observations.direction not in ("", study.direction):
        raise ConfigError(
            f"{observations.name}: its values are to {observations.direction}, those of"
            f" {study.name} to {study.direction}"
        )
    if observations.source.startswith("the study ") and observations.metric != study.metric:
        raise ConfigError(
            f"{observations.name}: is judged by {observations.metric}, {study.name} by"
            f" {study.metric}"
        )
    found = {}
    for arm in study.arms if arms is None else arms:
        fitting = [item for item in observations.rows if not _misfit(item, arm, study)]
        known = [float(item.value) for item in fitting if item.value is not None]
        found[arm.name] = [
            Past(
                values=_tuned(item, arm),
                told=told(
                    Outcome.DIVERGED if item.value is None else Outcome.COMPLETE,
                    item.value,
                    known,
                    item.violated,
                    minimize=study.minimize,
                ),
            )
            for item in fitting
        ]
    return found


def prior_note(observations: Observations, study: Study, arms: Sequence[Arm] | None = None) -> str:
    """What became of the observations, for the plan and the report."""
    words = []
    for arm in study.arms if arms is None else arms:
        misfits = [_misfit(item, arm, study) for item in observations.rows]
        reasons = Counter(misfits).most_common(1)
        why = f" ({reasons[0][0]})" if reasons and "" not in misfits else ""
        words.append(f"{misfits.count('')} for {arm.name}{why}")
    text = (
        f"of {len(observations.rows)} observations in {observations.name}"
        f" ({observations.source}) the search starts with {', '.join(words)}; they are no"
        " evidence for the verdict"
    )
    if not make_sampler(study.sampler).learns:
        text += f", and have no effect: the sampler {study.sampler.name} does not learn"
    return text


def _misfit(item: Observation, arm: Arm, study: Study) -> str:
    """Why an observation is no trial of an arm's search; empty where it is one."""
    if not arm.space.dimensions:
        return "nothing is tuned"
    # Where there are rungs, a sampler is only told of the short runs: lengths are never mixed.
    stage = Stage.RUNG1 if study.rungs else Stage.EXPLORE
    tokens = study.tokens_of(arm, arm.config, stage)
    if item.tokens not in (None, tokens):
        return f"runs of {item.tokens} tokens, not {tokens}"
    for key in (*arm.compared, *_there(item, arm)):
        if key not in item.values and not key.startswith("budget."):
            return f"{key} is not said"
    content, known = leaves(config_content(arm.config)), leaves(plain(arm.config))
    for key, value in item.values.items():
        if key.startswith("budget."):  # its tokens say it
            continue
        if key in arm.space.dimensions:
            if not arm.space.dimensions[key].has(value):  # type: ignore[arg-type]
                return f"{key}={value} is outside {arm.space.dimensions[key]}"
        elif key in GROUPS:
            if arm.choices.get(key) != value:
                return f"{key} is {value}, not {arm.choices.get(key)}"
        elif key not in known:
            return f"{key} is no key of the arm"
        elif key in content and not _same(content[key], value):
            return f"{key} is {value}, not {content[key]}"
    return ""


def _there(item: Observation, arm: Arm) -> list[str]:
    """The tuned keys whose conditions hold for an observation."""
    return [key for key in arm.space.order if arm.space.has(key, item.values)]


def _tuned(item: Observation, arm: Arm) -> dict[str, Value]:
    """An observation's values of what is tuned, as a sampler would have proposed them."""
    space, there = arm.space, set(_there(item, arm))
    found: dict[str, Value] = {}
    for key, dimension in space.dimensions.items():
        if key in there:
            value: Any = item.values[key]
            if isinstance(dimension, Choices):
                found[key] = dimension.values[dimension.place(value)]
            else:
                found[key] = round(value) if dimension.integer else float(value)
    return found


def _same(one: Any, other: Any) -> bool:
    if is_number(one) and is_number(other):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(as_tuple(one) == as_tuple(other)) and isinstance(one, bool) == isinstance(
        other, bool
    )


def as_tuple(value: Any) -> Any:
    """A list of JSON as the tuple it was."""
    return tuple(value) if isinstance(value, list) else value


def parsed(text: str) -> Any:
    """The content of a file of this format.

    Raises:
        ValueError: it is none.
    """
    mapping = json.loads(text)
    if not isinstance(mapping, dict) or mapping.get("format") != FORMAT:
        raise ValueError(f"expected a file of format {FORMAT}")
    return mapping


def _studies(runs: Path) -> set[str]:
    return {item.parent.name for item in runs.glob("*/study.yaml")}
