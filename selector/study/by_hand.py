"""Trials that a person added, and runs that a person stopped or paused, from what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from selector.config.decode import Mistakes, unknown
from selector.config.dotted import value_at
from selector.config.identity import plain
from selector.config.technique import Value
from selector.errors import InputError
from selector.space.space import assign
from selector.study.constraints import known_violation
from selector.study.study import Arm

if TYPE_CHECKING:
    from selector.study.agenda import Agenda

#: What names the arm of an added trial.
ARM = "arm"


@dataclass
class Halts:
    """Runs that must not go on, by key: whether they are paused, or else stopped."""

    pauses: dict[str, bool] = field(default_factory=dict)

    def take(self, decision: Mapping[str, Any]) -> None:
        """Take what was decided about a trial's runs."""
        for key in decision["runs"]:
            if decision["kind"] == "resume":
                self.pauses.pop(key, None)
            else:
                self.pauses[key] = decision["kind"] == "pause"

    def stopped(self, key: str) -> bool:
        """Whether the run is to end for good."""
        return self.pauses.get(key) is False

    def paused(self, key: str) -> bool:
        """Whether the run waits to be let go on."""
        return self.pauses.get(key) is True


def accepted(decisions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The requests that were granted, in order."""
    return [item for item in decisions if item["decision"] == "request" and item["accepted"]]


def given_values(agenda: Agenda, given: Mapping[str, Value]) -> dict[str, Any]:
    """What is decided about an added trial: its arm, its place and its values, with an answer.

    Raises:
        InputError: every mistake in what is given, or there can be no such trial.
    """
    study, mistakes = agenda.study, Mistakes()
    arm, settings = _arm_of(agenda.study.arms, given, mistakes)
    mistakes.raise_if_any()
    assert arm is not None
    space = agenda.searches.arms[arm.name].space
    if study.sampler.name == "grid" or not space.dimensions:
        why = "tries each point of a grid" if space.dimensions else "tunes nothing"
        raise InputError(f"{arm.name}: {why}, so no trial can be added; ask another study")
    for key, value in settings.items():
        if key not in space.dimensions:
            mistakes.add("", f"{arm.name}: {unknown('tuned key', key, list(space.dimensions))}")
        elif not space.dimensions[key].has(value):  # type: ignore[arg-type]
            mistakes.add(key, f"expected {space.dimensions[key]}, got {value!r}")
    mistakes.raise_if_any()
    mapping = plain(arm.config)
    wished: dict[str, Any] = {key: value_at(mapping, key) for key in space.dimensions}
    values = space.present(wished | settings)
    if lost := settings.keys() - values.keys():
        raise InputError([f"{key}: is not there with these values" for key in sorted(lost)])
    for key, value in values.items():
        if not space.dimensions[key].has(value):
            text = f"expected {space.dimensions[key]}; give it, its default {value!r} is outside"
            mistakes.add(key, text)
    mistakes.raise_if_any()
    config = assign(arm.config, values)  # refuses what cannot be
    over, text = known_violation(study.constraints, config, study.tokens_of(arm, config))
    if over > 0:
        raise InputError(f"{arm.name}: {text}")
    search = min(
        agenda.searches.arms[arm.name].sub_searches,
        key=lambda item: agenda.proposals.next_free(item),
    )
    index = agenda.proposals.next_free(search)
    answer = f"{arm.name}: the next trial of sub-search {search.number} has these values"
    if index >= search.total:
        trials = study.budget.trials + index + 1 - search.total
        answer = (
            f"{arm.name}: kept for when there is room: every sub-search has its {search.total}"
            f" trials, `selector run {study.name} budget.trials={trials}` makes room"
        )
    place = {"arm": arm.name, "sub_search": search.number, "index": index}
    return {**place, "values": values, "text": answer}


def _arm_of(
    arms: tuple[Arm, ...], given: Mapping[str, Value], mistakes: Mistakes
) -> tuple[Arm | None, dict[str, Value]]:
    """The arm that is named, or the one whose compared values these are; and what else is given."""
    left = dict(given)
    if ARM in left:
        name = str(left.pop(ARM))
        found = [arm for arm in arms if arm.name == name]
        if not found:
            mistakes.add(ARM, unknown("arm", name, [arm.name for arm in arms]))
        return next(iter(found), None), left
    compared = {key for arm in arms for key in arm.compared}
    asked = {key: left.pop(key) for key in sorted(compared & left.keys())}
    found = [
        arm
        for arm in arms
        if all(plain(arm.compared.get(key)) == value for key, value in asked.items())
    ]
    if len(found) != 1:
        names = ", ".join(arm.name for arm in arms)
        said = ", ".join(f"{key}={value}" for key, value in asked.items()) or "no arm"
        mistakes.add(ARM, f"expected arm=NAME, one of {names}; {said} names {len(found)} of them")
    return next(iter(found), None), left
