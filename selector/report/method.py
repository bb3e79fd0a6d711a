"""How a study came to its answer, in sentences: looks, extensions, screening, rungs, limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from selector.report.digits import number, setting, size
from selector.report.ease import ease, ease_sentences
from selector.study.answer import Answer
from selector.study.decisions import END, LIMIT
from selector.study.searches import LOOK, Searches
from selector.study.start import DECISION as START
from selector.study.stored import StoredStudy
from selector.study.sub_search import promotions
from selector.track.run import TAKEN_OVER, Stage

_FEWEST_PAIRS = 6
_STATES = {
    "winner": "a winner",
    "tie": "a tie",
    "insufficient_evidence": "not clear",
    None: "nothing to compare",
}


@dataclass(frozen=True, kw_only=True)
class RungAgreement:
    """How well short trainings rank long ones, over the trials that were trained for both."""

    correlation: float
    """Spearman's, of values ranked within their sub-search; the promoted are the best of the short
    runs, and one drawn at random, so it is lower than over all trials."""
    pairs: int


def method_facts(stored: StoredStudy, answer: Answer) -> dict[str, Any]:
    """The same in plain numbers, for recommendation.json."""
    searches = answer.searches
    agreement = rung_agreement(searches)
    return {
        "level": answer.level,
        "sub_searches": answer.units,
        "looks": [_without_time(item) for item in _decided(stored, LOOK)],
        "extensions": [vars(item) for arm in searches.arms.values() for item in arm.extensions],
        "limit": next((item["limit"] for item in reversed(_decided(stored, LIMIT))), None),
        "ended": next((item["text"] for item in reversed(_decided(stored, END))), None),
        "optima": [vars(item) for item in ease(answer, minimize=stored.study.minimize)],
        "screened": stored.study.budget.screen if stored.study.screens else 0,
        "rungs": None if agreement is None else vars(agreement),
    }


def method_sentences(stored: StoredStudy, answer: Answer) -> list[str]:
    """The same in sentences; what was not used is not mentioned."""
    return list(_sentences(stored, answer))


def rung_agreement(searches: Searches) -> RungAgreement | None:
    """Rank correlation between rungs; None without rungs, or with too few pairs to say anything."""
    short: list[float] = []
    whole: list[float] = []
    for search in searches:
        both = sorted(search.short.keys() & search.values.keys())
        if len(both) > 1:
            short += _ranks([search.short[index] for index in both])
            whole += _ranks([search.values[index] for index in both])
    if len(short) < _FEWEST_PAIRS or not (numpy.std(short) and numpy.std(whole)):
        return None
    return RungAgreement(correlation=float(numpy.corrcoef(short, whole)[0, 1]), pairs=len(short))


def _sentences(stored: StoredStudy, answer: Answer) -> Iterator[str]:
    study, searches = stored.study, answer.searches
    for start in _decided(stored, START):
        yield f"{start['note'][0].upper()}{start['note'][1:]}."
    if taken := sum(
        TAKEN_OVER in item.result.facts for item in stored.record.runs() if item.result
    ):
        yield f"{taken} runs were made by the other study, not by this one."
    for place, look in enumerate(_decided(stored, LOOK), start=1):
        if len(study.looks) > 1 or place > 1:
            state = _STATES.get(look["state"], look["state"])
            more = look["goes_on"] - look["units"]
            went_on = f"; {more} more were added" if more else ""
            yield (
                f"Look {place} at the evidence, with {look['units']} sub-searches per arm at level"
                f" {look['level']:.2g}: {state}{went_on}."
            )
    for arm in searches.arms.values():
        for item in arm.extensions:
            yield (
                f"{item.arm}: its best settings lay at the {item.side} end of the range of"
                f" {item.key}, so the range was extended to {setting(item.low)} to"
                f" {setting(item.high)}; {item.sub_searches} sub-searches tried {item.trials} more"
                " there each."
            )
    if answer.verdict is not None:
        found = ease(answer, minimize=study.minimize)
        yield from ease_sentences(answer.verdict.best, found)
    if study.screens:
        yield (
            f"The best {study.budget.screen} trials of each sub-search were trained on a second"
            " seed before one of them became the finalist."
        )
    if study.rungs:
        yield from _rung_sentences(stored, searches)
    for limit in _decided(stored, LIMIT)[-1:]:
        if not answer.complete:
            yield f"It stopped at its limit {limit['limit']}; with a larger one it goes on."
    for end in _decided(stored, END)[-1:]:
        if not answer.complete:
            yield f"It was ended before everything had run: {end['text']}."


def _rung_sentences(stored: StoredStudy, searches: Searches) -> Iterator[str]:
    tokens = {item.run.tokens for item in stored.record.runs(Stage.RUNG1)}
    length = f" ({size(min(tokens))} tokens)" if tokens else ""
    searched = [search for search in searches if search.tried]
    promoted = f"the best {promotions(searched[0].total) - 1}" if searched else "the best"
    text = (
        f"Every trial was first trained for a third of the length{length}, and {promoted} of each"
        " sub-search, with one drawn at random, for all of it."
    )
    agreement = rung_agreement(searches)
    if agreement is not None:
        text += (
            f" Over the {agreement.pairs} that were trained for both, the ranks within their"
            f" sub-searches correlate by {number(agreement.correlation, 2)}."
        )
    yield text


def _ranks(values: list[float]) -> list[float]:
    """Ranks from -1 to 1, so that sub-searches of any size can be pooled."""
    order = numpy.argsort(numpy.argsort(values))
    return (2.0 * order / (len(values) - 1) - 1.0).tolist()  # type: ignore[no-any-return]


def _decided(stored: StoredStudy, what: str) -> list[dict[str, Any]]:
    return [item for item in stored.record.decisions() if item["decision"] == what]


def _without_time(decision: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in decision.items() if key not in ("format", "decision", "at")
    }
