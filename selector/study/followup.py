"""`then: [together]`: the accepted choices of a study at once, and each of them left out once.

Gains that were found one by one may not add up. The second stage is a study of its own, with seeds
of its own: the luck that got a choice accepted does not count twice. Everything here is a pure
function of the first study's record, so that going on at any moment finds the same second stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selector.config.dotted import value_at
from selector.config.identity import plain
from selector.config.question import Question
from selector.config.schema import GROUPS
from selector.study.answer import Answer
from selector.study.contrast import Contrast
from selector.study.study import Arm, Study

TOGETHER = "together"
#: What is added to the study's seed: far from the seeds that people count up, and small enough for
#: functions whose generators take 32 bits.
_OWN_SEEDS = 1000
#: Of a budget only the length of runs can be compared, in several words: tokens, epochs, flops.
_LENGTH = "budget."


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One accepted arm: what it changes in the baseline, and what that gained."""

    arm: str
    changes: Mapping[str, Any]
    """Group or dotted key -> option or value; None: as the study says without the key."""
    gain: Contrast
    """Over the baseline; above 0 it is better."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The choices that a finished study accepts, in the study's order."""

    choices: tuple[Choice, ...]
    notes: tuple[str, ...]
    """Choices that were left out for a better one, and why nothing follows; each a sentence."""

    @property
    def follows(self) -> bool:
        """Whether there is anything to put together."""
        return len(self.choices) > 1


@dataclass(frozen=True, kw_only=True)
class SecondStage:
    """What makes a study the second stage of another one."""

    after: str
    """Name of the first study."""
    arms: Mapping[str, Mapping[str, Any]]
    """Name -> what it sets, as under `arms:`; the baseline first, then all choices together."""

    def question(self, first: Question) -> Question:
        """The second stage's question, given the first study's."""
        return replace(
            first,
            name=second_name(self.after),
            question=f"Do the choices that {self.after} accepted add up?",
            compare={},
            arms=tuple(self.arms.values()),
            seed=first.seed + _OWN_SEEDS,
            then=(),
        )


def stored_stage(study: Study) -> SecondStage:
    """What a stored second stage was asked to put together."""
    return SecondStage(after=study.after, arms={arm.name: dict(arm.compared) for arm in study.arms})


def second_name(first: str) -> str:
    """The name under which the second stage of the study `first` is stored."""
    return f"{first}-{TOGETHER}"


def accepted(study: Study, answer: Answer) -> Accepted:
    """The arms that beat the baseline by more than the margin, one for each thing they change.

    By Dunnett's claims: all together they are wrong in at most the verdict's level of studies.
    """
    baseline = study.arms[0]
    claims = answer.verdict.against_baseline if answer.verdict else ()
    gains = [
        Choice(
            arm=claim.arm,
            changes=_changes(baseline, study.arm(claim.arm)),
            gain=Contrast(value=claim.lead, low=claim.low, high=claim.high),
        )
        for claim in claims
        if claim.holds
    ]
    kept: list[Choice] = []
    margin = answer.verdict.margin if answer.verdict else 0.0
    notes = [
        f"{claim.arm} is not accepted: {claim.reason}."
        for claim in claims
        if not claim.holds and claim.lead > margin
    ]
    for item in sorted(gains, key=lambda choice: -choice.gain.value):
        better = next((other for other in kept if _conflict(item, other)), None)
        if better is None:
            kept.append(item)
        else:
            notes.append(
                f"{item.arm} and {better.arm} change the same thing:"
                f" {better.arm}, which gained more, is taken."
            )
    order = [arm.name for arm in study.arms]
    kept.sort(key=lambda choice: order.index(choice.arm))
    if len(kept) < 2:
        who = f"Only {kept[0].arm}" if kept else "No arm"
        notes.append(f"{who} is clearly better than {baseline.name}: nothing to combine.")
    return Accepted(choices=tuple(kept), notes=tuple(notes))


def together(study: Study, choices: Sequence[Choice]) -> SecondStage:
    """The baseline, all `choices` at once, and each left out once."""
    baseline = study.arms[0]
    arms = {baseline.name: _with(baseline, ())}
    arms[TOGETHER] = _with(baseline, choices)
    for choice in choices:
        rest = [other for other in choices if other is not choice]
        arms[left_out(choice.arm)] = _with(baseline, rest)
    return SecondStage(after=study.name, arms=arms)


def left_out(arm: str) -> str:
    """The second stage's arm in which the choice of the first study's `arm` is left out."""
    return f"without {arm}"


def everything(study: Study) -> SecondStage:
    """The largest second stage that could follow: every arm accepted, of conflicting ones one."""
    nothing = Contrast(value=0.0, low=None, high=None)
    kept: list[Choice] = []
    for arm in study.arms[1:]:
        item = Choice(arm=arm.name, changes=_changes(study.arms[0], arm), gain=nothing)
        if not any(_conflict(item, other) for other in kept):
            kept.append(item)
    return together(study, kept)


def _changes(baseline: Arm, arm: Arm) -> dict[str, Any]:
    """What makes `arm` differ from the baseline; None is a key that it takes back."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys([*arm.compared, *baseline.compared]):
        same = _effective(arm, key) == _effective(baseline, key)
        if same and (key in arm.space.dimensions) == (key in baseline.space.dimensions):
            continue
        found[key] = arm.compared.get(key)
    return found


def _effective(arm: Arm, key: str) -> Any:
    """The option of a group, or the value at a dotted key; None where the arm has no such key."""
    if key.startswith(_LENGTH):
        return arm.length
    return arm.choices.get(key) if key in GROUPS else value_at(plain(arm.config), key)


def _conflict(first: Choice, second: Choice) -> bool:
    """Whether two choices change one key, or one the option and the other a key of a group."""
    return any(
        one == other
        or (one in GROUPS and other.startswith(f"{one}."))
        or (one.startswith(_LENGTH) and other.startswith(_LENGTH))
        for left, right in ((first, second), (second, first))
        for one in left.changes
        for other in right.changes
    )


def _with(baseline: Arm, choices: Sequence[Choice]) -> dict[str, Any]:
    """What an arm sets that has all `choices` over the baseline."""
    found: dict[str, Any] = dict(baseline.compared)
    for choice in choices:
        for key, value in choice.changes.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
    return found
