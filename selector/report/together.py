"""The accepted choices together, in numbers and a sentence: do gains found one by one add up?

With g(S) the gain of a set S of choices over the baseline, the interaction is g(all) minus the sum
of the single gains. With two choices the second stage holds all four arms, and the interaction is
estimated from it alone. With more, the single gains are those of the first stage: they were
accepted for being large, so their sum is optimistic. Where only pairs of choices interact, g(all)
minus the sum of what each still brings is the same interaction with the opposite sign (each pair is
lost in two of the sums, and counted in one), and it needs nothing from the first stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.config.identity import plain
from selector.report.digits import decimals_for, estimate, number
from selector.study.answer import Answer, answer
from selector.study.contrast import Contrast, contrast
from selector.study.followup import (
    TOGETHER,
    Accepted,
    Choice,
    accepted,
    left_out,
    second_name,
    stored_stage,
    together,
)
from selector.study.stored import StoredStudy, find_study
from selector.study.study import Study
from selector.study.verdict import Verdict

_OPTIMISTIC = (
    "The gains found one by one were accepted for being large: their sum is optimistic, and makes"
    " an overlap look larger than it is. What each still brings is measured on fresh seeds."
)


@dataclass(frozen=True, kw_only=True)
class Brought:
    """One choice: what it gained alone, and what it still brings beside the others."""

    arm: str
    changes: Mapping[str, Any]
    alone: Contrast
    """In the first stage."""
    still: Contrast | None
    """In the second stage, all together against all but this; None where not yet known."""
    words: str


@dataclass(frozen=True, kw_only=True)
class Together:
    """What is known of a study's accepted choices together."""

    first: str
    second: str
    baseline: str
    state: str
    """nothing (to combine), to_come, unfinished, complete, or outdated: of other choices."""
    choices: tuple[Brought, ...]
    notes: tuple[str, ...]
    gain: Contrast | None
    """All together over the baseline, in the second stage."""
    interaction: Contrast | None
    """That minus the sum of the single gains."""
    interaction_alone: Contrast | None
    """From the second stage alone, where only pairs interact; None with two choices."""
    sentence: str


def find_together(stored: StoredStudy, found: Answer) -> Together | None:
    """Of the stored first stage, or of the stored second one; None for other studies."""
    runs, study = stored.folder.parent, stored.study
    if study.after:
        first = find_study(study.after, runs)
        if first is None:
            return None
        return combined(first, answer(first.study, first.record), stored, found)
    if not study.then:
        return None
    second = find_study(second_name(study.name), runs)
    other = answer(second.study, second.record) if second else None
    return combined(stored, found, second, other)


def to_mapping(found: Together | None) -> dict[str, Any] | None:
    """The plain form for recommendation.json."""
    if found is None:
        return None
    return {
        "first": found.first,
        "second": found.second,
        "state": found.state,
        "choices": [
            {
                "arm": item.arm,
                "changes": plain(item.changes),
                "alone": vars(item.alone),
                "still": item.still and vars(item.still),
                "words": item.words,
            }
            for item in found.choices
        ],
        "gain": found.gain and vars(found.gain),
        "interaction": found.interaction and vars(found.interaction),
        "interaction_alone": found.interaction_alone and vars(found.interaction_alone),
        "baseline": found.baseline,
        "notes": list(found.notes),
        "sentence": found.sentence,
    }


def lines(mapping: Mapping[str, Any]) -> list[dict[str, str]]:
    """The table of choices as text, from the form of `to_mapping`."""
    known = [
        Contrast(**item[key])
        for item in mapping["choices"]
        for key in ("alone", "still")
        if item[key] is not None
    ]
    places = decimals_for((item.value, item.low, item.high) for item in known) if known else 0
    return [
        {
            "arm": item["arm"],
            "alone": shown(Contrast(**item["alone"]), places),
            "still": "" if item["still"] is None else shown(Contrast(**item["still"]), places),
            "words": item["words"],
        }
        for item in mapping["choices"]
    ]


def interaction_alone(mapping: Mapping[str, Any] | None) -> str:
    """The interaction from the second stage alone, as text; empty where it is not given."""
    found = mapping and mapping["interaction_alone"]
    return shown(Contrast(**found)) if found else ""


def shown(item: Contrast, places: int | None = None) -> str:
    """A contrast with its interval: 0.042 (0.030 to 0.054)."""
    return estimate(item.value, item.low, item.high, places)


def combined(
    first: StoredStudy, found: Answer, second: StoredStudy | None, other: Answer | None
) -> Together:
    """Of a first stage and, where it is stored, its second one, each with its answer."""
    chosen = accepted(first.study, found) if found.complete else Accepted(choices=(), notes=())
    state = _state(first, found, chosen, second, other)
    values: dict[str, Sequence[float]] = {}
    if state in ("unfinished", "complete") and other is not None and other.verdict is not None:
        values = {name: item.values for name, item in other.verdict.estimates.items()}
    margin = found.verdict.margin if found.verdict else 0.0
    sign = 1.0 if first.study.minimize else -1.0
    baseline = first.study.arms[0].name
    arms = [left_out(item.arm) for item in chosen.choices]
    brought = tuple(
        _brought(item, values, sign, margin, settled=state == "complete") for item in chosen.choices
    )
    gain = interaction = alone = None
    if {baseline, TOGETHER} <= set(values):
        gain = contrast({baseline: sign, TOGETHER: -sign}, values)
        if set(arms) <= set(values):
            lost = {baseline: -sign, TOGETHER: -sign * (len(arms) - 1)}
            alone = contrast(lost | dict.fromkeys(arms, sign), values)
        if len(arms) == 2:  # each left out leaves the other one alone
            interaction, alone = alone, None
        elif found.verdict is not None:
            interaction = _interaction(chosen, found.verdict, values, baseline, sign)
    return Together(
        first=first.study.name,
        second=second_name(first.study.name),
        baseline=baseline,
        state=state,
        choices=brought,
        notes=(*chosen.notes, *([_OPTIMISTIC] if alone is not None else [])),
        gain=gain,
        interaction=interaction,
        interaction_alone=alone,
        sentence=_sentence(first.study, state, brought, gain, interaction, margin, other),
    )


def _interaction(
    chosen: Accepted,
    verdict: Verdict,
    values: Mapping[str, Sequence[float]],
    baseline: str,
    sign: float,
) -> Contrast:
    """All together over the baseline, minus the single gains, each in its own stage."""
    arms = {(1, name): item.values for name, item in verdict.estimates.items()}
    both: dict[tuple[int, str], Sequence[float]] = {**arms}
    both |= {(2, name): item for name, item in values.items()}
    weights = {(2, baseline): sign, (2, TOGETHER): -sign}
    weights |= {(1, item.arm): sign for item in chosen.choices}
    return contrast(weights | {(1, baseline): -sign * len(chosen.choices)}, both)


def _state(
    first: StoredStudy,
    found: Answer,
    chosen: Accepted,
    second: StoredStudy | None,
    other: Answer | None,
) -> str:
    if not found.complete:
        return "to_come"
    if not chosen.follows:
        return "nothing"
    if second is None or other is None:
        return "to_come"
    asked = together(first.study, chosen.choices).arms
    if plain(stored_stage(second.study).arms) != plain(asked):
        return "outdated"
    return "complete" if other.complete else "unfinished"


def _brought(
    choice: Choice,
    values: Mapping[str, Sequence[float]],
    sign: float,
    margin: float,
    *,
    settled: bool,
) -> Brought:
    """One line of the table: all together against all but this choice."""
    without, still = left_out(choice.arm), None
    if {TOGETHER, without} <= set(values):
        still = contrast({without: sign, TOGETHER: -sign}, values)
    words = "not known yet" if still is None else "not settled"
    if still is not None and settled:
        if still.within(margin) or ((still.above or still.below) and abs(still.value) <= margin):
            words = "brings practically nothing beside the others"
        elif still.above:
            words = "still brings something"
        elif still.below:
            words = "does harm beside the others: better without it"
    return Brought(
        arm=choice.arm, changes=choice.changes, alone=choice.gain, still=still, words=words
    )


def _sentence(
    study: Study,
    state: str,
    brought: Sequence[Brought],
    gain: Contrast | None,
    interaction: Contrast | None,
    margin: float,
    second: Answer | None,
) -> str:
    names, command = _list([item.arm for item in brought]), f"`selector run {study.name}`"
    if state == "nothing":
        return (
            "No second stage follows: fewer than two choices are known to beat"
            f" {study.arms[0].name} by more than the margin."
        )
    if state == "outdated":
        return (
            f"What is stored as {second_name(study.name)} put other choices together than are"
            f" accepted now ({names}): move its folder away, and {command} makes it anew."
        )
    if state == "to_come" and not brought:
        return "The accepted choices will be put together when this stage is over."
    if state == "to_come":
        return f"Still to come: {names} together, and each left out once; {command} goes on."
    known = ""
    if state == "unfinished" and second is not None:
        known = (
            f"The second stage is unfinished ({second.searches.finished} of"
            f" {second.searches.total} runs are over; {command} goes on). "
        )
    baseline = study.arms[0].name
    if gain is None:
        return known + f"Of {names} together no verdict run has completed."
    places = decimals_for(
        [(item.value, item.low, item.high) for item in (gain, interaction or gain)]
    )
    text = f"{known}Together, {names} gain {shown(gain, places)} over {baseline} in {study.metric}"
    if interaction is None:
        return f"{text}."
    total = number(gain.value - interaction.value, places)
    text += f"; one by one they gain {total} in all, so the interaction is"
    text += f" {shown(interaction, places)}: "
    if interaction.within(margin):
        text += "they practically add up."
    elif interaction.below:
        text += "they overlap, and bring less together than their sum."
    elif interaction.above:
        text += "they help each other, and bring more than their sum."
    else:
        text += "whether they add up is not settled."
    if second is not None and second.recommended is not None:
        text += f" {second_name(study.name)} recommends {second.recommended.arm}."
    return text


def _list(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
