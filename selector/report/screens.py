"""The page's tables as rows of ready text; which number gets how many digits is decided here."""

from __future__ import annotations

from dataclasses import dataclass

from selector.report.compare import ArmRow, arm_rows
from selector.report.digits import decimals_for, duration, number, operations, setting, size
from selector.report.figures import colour
from selector.report.recommendation import train_command
from selector.report.words import estimate_decimals, lead_decimals
from selector.space.dimension import Interval
from selector.study.answer import Answer
from selector.study.stored import StoredStudy
from selector.study.study import Study
from selector.study.verdict import Relation

_RELATIONS = {
    Relation.BEATEN: "clearly worse",
    Relation.EQUAL: "practically equal",
    Relation.UNCLEAR: "not settled",
}


@dataclass(frozen=True, kw_only=True)
class ArmLine:
    """One arm in the arm table."""

    name: str
    colour: str
    recommended: bool
    mean: str
    ends: str
    bar: tuple[float, float, float] | None
    """Low end, mean and high end of the interval on the table's scale from 0 to 100."""
    explored: str
    optimism: str
    test: str
    trials: str
    failures: str
    seeds: int
    seconds: str
    tokens: str
    flops: str


@dataclass(frozen=True, kw_only=True)
class RivalLine:
    """The best arm against one rival."""

    name: str
    lead: str
    ends: str
    relation: str
    clear: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class SettingLine:
    """One tuned value of the recommendation."""

    key: str
    value: str
    space: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something to type, and what it does."""

    text: str
    purpose: str


def arm_table(stored: StoredStudy, answer: Answer) -> list[ArmLine]:
    """The arms, best first; those without a value come last, in the study's order."""
    rows = arm_rows(stored, answer)
    order = {row.name: place for place, row in enumerate(rows)}
    sign = 1 if stored.study.minimize else -1
    ends = [end for row in rows for end in (row.low, row.mean, row.high) if end is not None]
    scale = (min(ends), max(ends)) if ends else (0.0, 0.0)
    places = estimate_decimals(answer.verdict) if answer.verdict else 0
    best = answer.recommended.arm if answer.recommended else ""
    ranked = sorted(rows, key=lambda row: (row.mean is None, sign * (row.mean or 0.0)))
    return [_arm(row, colour(order[row.name]), row.name == best, scale, places) for row in ranked]


def rivals(answer: Answer) -> list[RivalLine]:
    """The best arm's lead over each rival, the closest first."""
    verdict = answer.verdict
    if verdict is None or not verdict.comparisons:
        return []
    places = lead_decimals(verdict)
    return [
        RivalLine(
            name=item.rival,
            lead=number(item.lead, places),
            ends=_ends(item.low, item.high, places),
            relation=_RELATIONS[item.relation],
            clear=item.relation is not Relation.UNCLEAR,
            reason=item.reason,
        )
        for item in sorted(verdict.comparisons, key=lambda item: item.lead)
    ]


def settings_table(study: Study, answer: Answer) -> list[SettingLine]:
    """What was tuned in the recommended arm, what came out, and between which bounds."""
    trial = answer.recommended
    if trial is None:
        return []
    found = []
    for key, item in answer.searches.arms[trial.arm].space.dimensions.items():
        if isinstance(item, Interval):
            kind = ", by orders of magnitude" if item.log else ""
            space = f"{setting(float(item.low))} to {setting(float(item.high))}{kind}"
        else:
            space = " or ".join(map(setting, item.values))
        found.append(SettingLine(key=key, value=setting(trial.values.get(key, "")), space=space))
    return found


def command_list(study: Study, answer: Answer, path: str) -> list[Command]:
    """What to type next; empty without a recommendation."""
    trial = answer.recommended
    if trial is None:
        return []
    train = train_command(path)
    longer = f"{train} budget.tokens={4 * study.tokens_of(study.arm(trial.arm), trial.config)}"
    found = [Command(text=train, purpose="train the recommended configuration")]
    if trial.config.built_in:
        found.append(Command(text=longer, purpose="train it four times as long"))
    return [
        *found,
        Command(text=f"selector rerun {study.name}", purpose="see whether the result comes back"),
    ]


def _arm(
    row: ArmRow, tint: str, recommended: bool, scale: tuple[float, float], places: int
) -> ArmLine:
    failures = [f"{count} {kind.replace('_', ' ')}" for kind, count in row.failures.items()]
    each = None if row.explored is None else decimals_for([(row.explored, None, None)])
    shown = places or each or 0
    return ArmLine(
        name=row.name,
        colour=tint,
        recommended=recommended,
        mean="" if row.mean is None else number(row.mean, places),
        ends=_ends(row.low, row.high, places),
        bar=_bar(row, scale),
        explored="" if row.explored is None else number(row.explored, shown),
        optimism="" if row.optimism is None else number(row.optimism, shown),
        test="" if row.test is None else number(row.test, shown),
        trials=str(row.trials) if row.trials == row.planned else f"{row.trials} of {row.planned}",
        failures=", ".join(failures),
        seeds=row.seeds,
        seconds="" if row.seconds is None else duration(row.seconds),
        tokens=size(row.tokens),
        flops="" if row.flops is None else operations(row.flops),
    )


def _ends(low: float | None, high: float | None, places: int) -> str:
    return "" if low is None or high is None else f"{number(low, places)} to {number(high, places)}"


def _bar(row: ArmRow, scale: tuple[float, float]) -> tuple[float, float, float] | None:
    if row.mean is None:
        return None
    first, last = scale
    width = last - first
    low = row.mean if row.low is None else row.low
    high = row.mean if row.high is None else row.high
    if width <= 0:
        return (50.0, 50.0, 50.0)
    share = [round(100 * (end - first) / width, 2) for end in (low, row.mean, high)]
    return (share[0], share[1], share[2])
