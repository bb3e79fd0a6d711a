"""A claim of the literature about a study, and whether what the study found agrees with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.known.quantities import AT_EDGES, QUANTITIES, edge
from selector.study.answer import Answer
from selector.study.contrast import Contrast, contrast


class Agreement(StrEnum):
    """What a study says of a claim."""

    YES = "as expected"
    NO = "not as expected"
    UNCLEAR = "cannot tell"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A weighted sum of one quantity over arms lies between `low` and `high`."""

    text: str
    quantity: str
    """A key of QUANTITIES; rates and widths are in octaves, the rest in the metric's units."""
    weights: Mapping[str, float]
    """Arm -> weight: {"sgd": 1, "adamw": -1} is by how much AdamW's loss is lower."""
    low: float
    high: float
    paired: bool = False
    """Whether units of one block of seeds are subtracted from each other first: narrower where
    luck is shared, as where arms differ in a switch that hardly matters. Not what a report does."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a study found about a claim."""

    claim: Claim
    found: Contrast | None
    """None where some arm has no value."""
    agreement: Agreement
    reason: str
    """Why it cannot be told; empty where it can."""


def check(claim: Claim, answer: Answer) -> Finding:
    """Whether the answer of a study agrees with a claim.

    Yes where the whole 95 % interval lies within what is expected, no where all of it lies outside,
    and otherwise it cannot be told: nor where an arm is best at the end of a range, as its loss and
    its best rate are then not known.
    """
    values = {arm: QUANTITIES[claim.quantity](answer, arm) for arm in answer.searches.arms}
    missing = [arm for arm in claim.weights if not values[arm]]
    if missing:
        return unclear(claim, None, f"no value of {', '.join(missing)}")
    found = _paired(claim, values) if claim.paired else contrast(claim.weights, _some(values))
    if claim.quantity not in AT_EDGES:
        for arm in claim.weights:
            if text := edge(answer, arm):
                return unclear(claim, found, text)
    if not answer.complete:
        return unclear(claim, found, "not all runs are over")
    return judge(claim, found)


def judge(claim: Claim, found: Contrast) -> Finding:
    """The agreement of an interval with what is expected."""
    if found.low is None or found.high is None:
        return unclear(claim, found, "one value an arm: its noise is not known")
    if claim.low <= found.low and found.high <= claim.high:
        return Finding(claim=claim, found=found, agreement=Agreement.YES, reason="")
    if found.high < claim.low or claim.high < found.low:
        return Finding(claim=claim, found=found, agreement=Agreement.NO, reason="")
    return unclear(claim, found, "the interval lies partly outside")


def _paired(claim: Claim, values: Mapping[str, Sequence[float]]) -> Contrast:
    """Of the differences within each unit; as independent values where units are missing."""
    own = {arm: values[arm] for arm in claim.weights}
    if len({len(column) for column in own.values()}) > 1:
        return contrast(claim.weights, _some(values))
    units = zip(*own.values(), strict=True)
    sums = [sum(w * v for w, v in zip(claim.weights.values(), unit, strict=True)) for unit in units]
    return contrast({"": 1.0}, {"": sums})


def _some(values: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    return {arm: column for arm, column in values.items() if column}


def unclear(claim: Claim, found: Contrast | None, reason: str) -> Finding:
    """That it cannot be told, and why."""
    return Finding(claim=claim, found=found, agreement=Agreement.UNCLEAR, reason=reason)
