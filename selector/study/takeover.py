"""Another study's finished runs, where this study would make the very same ones.

Trials of an arm that is there in both are adopted: each keeps its place in its sub-search, so that
whatever proposed it, its runs are found again by their fingerprints. A place between them whose
trial crashed or does not fit is filled by the sampler: were the others moved up, a sampler that
names its points by their place would name some of them twice. Where a range has become wider,
trials in its new part follow: as many for its length as the old part had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selector.config.dotted import leaves
from selector.config.identity import config_fingerprint, plain, run_fingerprint
from selector.config.technique import Scalar
from selector.errors import ConfigError
from selector.space.dimension import Choices, Dimension, Interval, dimension, range_mapping
from selector.space.space import Space, assign
from selector.study.stored import StoredStudy
from selector.study.study import Arm, Study
from selector.track.record import Record, StoredRun
from selector.track.run import Outcome, Stage, Trial

#: What is the same wherever it is trained; time and memory are not.
_TAKEN = (Outcome.COMPLETE, Outcome.DIVERGED)
_FEWEST = 2  # trials in a new part of a range


@dataclass(frozen=True, kw_only=True)
class Part:
    """The new part of one range, and how many trials of each sub-search are drawn there."""

    key: str
    range: Mapping[str, Any]
    """As in YAML."""
    integer: bool
    trials: int

    def within(self, space: Space) -> Space:
        """`space` with this part in place of the whole range."""
        own = dimension(self.key, self.range, integer=self.integer)
        return replace(space, dimensions={**space.dimensions, self.key: own})


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What an arm takes over of another study's search."""

    trials: Sequence[Sequence[Mapping[str, Scalar] | None]]
    """Sub-search -> the values of its first trials; None where the sampler says them."""
    parts: Sequence[Part] = ()
    more: int = 0
    """Trials that each sub-search has beyond the budget's: where a range has become wider."""

    @classmethod
    def read(cls, mapping: Mapping[str, Any]) -> Adopted:
        """From its form in JSON."""
        return cls(
            trials=[
                [None if values is None else dict(values) for values in trials]
                for trials in mapping["trials"]
            ],
            parts=[Part(**part) for part in mapping["parts"]],
            more=int(mapping["more"]),
        )

    @property
    def count(self) -> int:
        """Trials of all sub-searches."""
        return sum(values is not None for trials in self.trials for values in trials)

    def of(self, sub_search: int) -> Sequence[Mapping[str, Scalar] | None]:
        """The first trials of a sub-search."""
        return self.trials[sub_search] if sub_search < len(self.trials) else ()

    def part_at(self, sub_search: int, index: int) -> tuple[Part, int] | None:
        """The new part in which a trial is drawn, and the index of its first one there."""
        first = len(self.of(sub_search))
        for part in self.parts if first else ():
            if first <= index < first + part.trials:
                return part, first
            first += part.trials
        return None


def finished_runs(record: Record) -> dict[str, StoredRun]:
    """Run fingerprint -> a run that is over and can stand for another study's."""
    return {
        item.run.fingerprint: item
        for item in record.runs()
        if item.trial is not None and item.result is not None and item.result.outcome in _TAKEN
    }


def adopted(old: StoredStudy, study: Study) -> dict[str, Adopted]:
    """Arm of `study` -> what it takes over of `old`; arms without a common trial are left out."""
    if study.sampler.name == "grid":  # names its points itself; those that are known are found
        return {}
    found = {}
    for arm in study.arms:
        searches: dict[int, dict[int, Mapping[str, Scalar]]] = {}
        for trial in _common(old, study, arm):
            searches.setdefault(trial.sub_search, {})[trial.index] = trial.values  # type: ignore[assignment]
        most = study.trials_in(arm)
        trials = [_in_places(searches.get(place, {}), most) for place in range(_end(searches))]
        if any(values is not None for row in trials for values in row):
            before = next(other for other in old.study.arms if other.name == arm.name)
            found[arm.name] = _with_new_parts(before, arm, study, trials)
    return found


def takeover_note(old: StoredStudy, study: Study) -> str:
    """What would be taken over, arm by arm, or why nothing is; for people."""
    takes, words = adopted(old, study), []
    for arm in study.arms:
        common = _common(old, study, arm)
        if not common:
            words.append(f"{arm.name}: none ({_why_not(old.study, study, arm)})")
            continue
        numbers = {trial.number for trial in common}
        runs = sum(
            item.trial is not None and item.trial.number in numbers
            for item in finished_runs(old.record).values()
        )
        own = takes.get(arm.name)
        trials = own.count if own else len(common)
        more = f", and {own.more} more a sub-search in the wider range" if own and own.more else ""
        words.append(f"{arm.name}: {trials} trials (up to {runs} runs{more})")
    listed = ", ".join(words)
    return f"taken over from {old.study.name}, with all their runs that are the same: {listed}"


def _common(old: StoredStudy, study: Study, arm: Arm) -> list[Trial]:
    """The trials of the arm of that name whose first run is over and could be one of `arm`'s."""
    there = finished_runs(old.record)
    return [
        trial
        for _, trial in sorted(old.record.trials.items())
        if trial.arm == arm.name and _fits(trial, arm, study, there)
    ]


def _in_places(
    found: Mapping[int, Mapping[str, Scalar]], most: int
) -> list[Mapping[str, Scalar] | None]:
    """Trials by their place in a sub-search, in a row of at most so many."""
    return [found.get(index) for index in range(min(_end(found), most))]


def _end(places: Mapping[int, object]) -> int:
    return max(places, default=-1) + 1


def _fits(trial: Trial, arm: Arm, study: Study, there: Mapping[str, StoredRun]) -> bool:
    """Whether a trial could be one of `arm`, and its first run is there."""
    space, values = arm.space, trial.values
    if set(values) != {key for key in space.order if space.has(key, values)}:
        return False
    if not all(space.dimensions[key].has(value) for key, value in values.items()):  # type: ignore[arg-type]
        return False
    try:
        config = assign(arm.config, values)
    except ConfigError:
        return False
    if config_fingerprint(config) != trial.fingerprint:
        return False
    stage = Stage.RUNG1 if study.rungs else Stage.EXPLORE
    seed, tokens = study.seed_of(stage, trial.sub_search), study.tokens_of(arm, config, stage)
    trunks = {0, study.tokens_of(arm, config)} if study.rungs else {0}
    return any(
        run_fingerprint(config, seed=seed, stage=stage, tokens=tokens, trunk_for=trunk) in there
        for trunk in trunks
    )


def _with_new_parts(
    before: Arm,
    arm: Arm,
    study: Study,
    trials: Sequence[Sequence[Mapping[str, Scalar] | None]],
) -> Adopted:
    """The trials, and further ones in what is new of the ranges where the budget leaves too few."""
    most, kept = study.trials_in(arm), max(map(len, trials))
    parts = [
        Part(
            key=key,
            range=range_mapping(part),
            integer=isinstance(part, Interval) and part.integer,
            trials=max(_FEWEST, min(most, round(kept * _length(part) / _length(old)))),
        )
        for key, old in before.space.dimensions.items()
        for part in _beyond(old, arm.space.dimensions.get(key))
    ]
    wanted = sum(part.trials for part in parts)
    return Adopted(trials=trials, parts=parts, more=max(0, kept + wanted - most))


def _beyond(old: Dimension, new: Dimension | None) -> list[Dimension]:
    """What `new` has beyond `old`: one part on each side, or the further choices."""
    if isinstance(old, Choices) and isinstance(new, Choices):
        added = tuple(value for value in new.values if not old.has(value))
        return [replace(new, values=added)] if added else []
    if not (isinstance(old, Interval) and isinstance(new, Interval)):
        return []
    gap = (new.step or 1) if new.count is not None else 0
    ends = [(new.low, old.low - gap), (old.high + gap, new.high)]
    parts: list[Dimension] = []
    for low, high in ends:
        if low < high and (new.step is None or new.step <= high - low):
            parts.append(replace(new, low=low, high=high, grid=None))
        elif gap and low == high:
            parts.append(Choices(values=(round(low) if new.integer else low,), when=new.when))
    return parts


def _length(item: Dimension) -> float:
    if isinstance(item, Choices):
        return len(item.values)
    if item.count is not None:
        return item.count
    return math.log(item.high / item.low) if item.log else item.high - item.low


def _why_not(old: Study, study: Study, arm: Arm) -> str:
    """The first reason why no trial of an arm is the same."""
    before = next((other for other in old.arms if other.name == arm.name), None)
    if before is None:
        return f"{old.name} has no such arm"
    if old.seed != study.seed:
        return f"seed {old.seed} there, {study.seed} here"
    if before.tokens != arm.tokens:
        return f"runs of {before.tokens} tokens there, {arm.tokens} here"
    was, now = leaves(plain(before.config)), leaves(plain(arm.config))
    changed = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    tuned = set(arm.space.dimensions)
    for key in changed:
        if key not in tuned:
            return f"{key} is {was.get(key)} there, {now.get(key)} here"
    if set(before.space.dimensions) != tuned:
        return "other keys are tuned"
    return "no finished trial there is one of its search"
