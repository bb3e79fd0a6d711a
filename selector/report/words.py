"""The answer in sentences, made from the numbers by rules, so that they cannot contradict a table.

Plain text with commands between backticks: the command line prints it, the page shows it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from selector.config.technique import Value
from selector.report.digits import decimals_for, duration, interval, number, setting, size
from selector.report.health import best_at_edge, gather
from selector.space.cost import parameters
from selector.study.answer import Answer
from selector.study.stored import StoredStudy
from selector.study.study import Study
from selector.study.verdict import Comparison, Relation, Verdict, VerdictState
from selector.track.run import Outcome, Trial

HEADLINES = {
    VerdictState.WINNER: "Winner",
    VerdictState.TIE: "Tie",
    VerdictState.INSUFFICIENT: "Not enough evidence yet",
    None: "Nothing to compare with",
}
_LABELS = {"lr": "learning rate"}
# Beyond this many units an arm, a lead is cheaper to ignore than to settle.
_MOST_UNITS = 64
# Seeds that give a first look at the noise, where there was one value an arm.
_FIRST_SEEDS = 4


def answer_sentence(stored: StoredStudy, answer: Answer) -> str:
    """The answer with its interval and scope; an unfinished study says so first."""
    text = _answer(stored, answer)
    if answer.complete:
        return text
    over, planned = answer.searches.finished, answer.searches.total
    return (
        f"Unfinished ({over} of {planned} runs are over; `selector run {stored.study.name}` goes"
        f" on). So far: {text[0].lower()}{text[1:]}"
    )


def settings(values: Mapping[str, Value]) -> str:
    """Tuned values in words: 'learning rate 0.0031, momentum 0.95'; empty where there are none."""
    leaves = Counter(key.rpartition(".")[2] for key in values)
    words = []
    for key, value in values.items():
        leaf = key.rpartition(".")[2]
        name = _LABELS.get(leaf, leaf.replace("_", " ")) if leaves[leaf] == 1 else key
        words.append(f"{name} {setting(value)}")
    return ", ".join(words)


def scope(study: Study, trial: Trial) -> str:
    """For what the answer was found: the model's size and the length of training."""
    config = trial.config
    if config.objective.kind == "replay":
        return f"found in the table {PurePath(config.objective.table).name}"
    if not config.built_in:
        return f"found for {config.objective.function}"
    return (
        f"found for {config.model.name} ({size(parameters(config))} parameters)"
        f" at {size(study.tokens_of(study.arm(trial.arm), config))} tokens"
    )


def estimate_decimals(verdict: Verdict) -> int:
    """Decimals for every arm's value, in sentences and tables alike."""
    return decimals_for((item.mean, item.low, item.high) for item in verdict.estimates.values())


def lead_decimals(verdict: Verdict) -> int:
    """Decimals for every lead, in sentences and tables alike; at least those of the values."""
    known = [
        (item.lead, item.low, item.high) for item in verdict.comparisons if item.low is not None
    ]
    least = estimate_decimals(verdict)
    return max(least, decimals_for(known)) if known else least


def closest(verdict: Verdict) -> Comparison:
    """The comparison with the smallest lead."""
    return min(verdict.comparisons, key=lambda item: item.lead)


def settle(study: Study, verdict: Verdict) -> str:
    """What would settle the question, with its command; empty where more of the same would not."""
    by_seed = verdict.unit == "seed"
    now = study.verdict_seeds if by_seed else _most_units(verdict)
    unclear = [item for item in verdict.comparisons if item.relation is Relation.UNCLEAR]
    if by_seed and now == 1 and unclear:
        return (
            "Each arm has one value, so its noise is not known:"
            f" `{_more(study, by_seed, _FIRST_SEEDS)}` measures it."
        )
    noisy = [item for item in unclear if item.low is not None and item.low <= 0]
    needed = max((item.units_needed or 0 for item in noisy), default=0)
    if not needed:
        return ""
    needed = max(needed, now + 1)
    units = "seeds" if by_seed else "sub-searches"
    if needed > max(_MOST_UNITS, 2 * now):
        return (
            f"About {needed} {units} per arm would be needed to settle a lead this small"
            f" (there are {now}). All that is known is that they differ by less than"
            f" {max(abs(end) for item in noisy for end in (item.low, item.high) if end):.2g}."
        )
    what = (
        f"{verdict.unit} per arm usually settles"
        if needed == now + 1
        else (f"{units} per arm usually settle")
    )
    return f"{needed - now} more {what} a lead of this size: `{_more(study, by_seed, needed)}`."


def _most_units(verdict: Verdict) -> int:
    return max(len(item.values) for item in verdict.estimates.values())


def _more(study: Study, by_seed: bool, units: int) -> str:
    """The command that goes on to `units` seeds or sub-searches in each arm."""
    if not by_seed:
        key = "most_replicates" if len(study.looks) > 1 else "replicates"
        return f"selector run {study.name} budget.{key}={units}"
    seeds = math.ceil(units * study.sub_searches / study.budget.replicates)
    return f"selector run {study.name} budget.verdict_seeds={seeds}"


def _answer(stored: StoredStudy, answer: Answer) -> str:
    verdict, trial = answer.verdict, answer.recommended
    if verdict is None or trial is None:
        return _without_verdict(stored, answer)
    if verdict.state is VerdictState.WINNER:
        return _winner(stored.study, verdict, trial)
    if verdict.state is VerdictState.TIE:
        return _tie(stored.study, answer, verdict, trial)
    if verdict.state is VerdictState.INSUFFICIENT:
        return _insufficient(stored, answer, verdict, trial)
    estimate = verdict.estimates[verdict.best]
    runs = len(estimate.values)
    noise = "" if estimate.low is not None else "; one value, so its noise is not known"
    return (
        f"Train with {_with(trial)}: its {_value(stored.study, verdict, trial.arm, ' is')}"
        f" over {runs} {_plural(verdict.unit, runs)}{noise},"
        f" {scope(stored.study, trial)}. Nothing was compared with it."
    )


def _winner(study: Study, verdict: Verdict, trial: Trial) -> str:
    if not verdict.comparisons:
        return (
            f"Train with {_with(trial)}: it is the only arm in which anything trained, with a"
            f" {_value(study, verdict, trial.arm)}, {scope(study, trial)}."
        )
    first, rivals = closest(verdict), len(verdict.comparisons)
    others = "both others" if rivals == 2 else f"all {rivals} others"
    whom = f"{first.rival}'s" if rivals == 1 else f"{others}, the closest ({first.rival}'s)"
    return (
        f"Train with {_with(trial)}: its {_value(study, verdict, trial.arm)} beats {whom}"
        f" by {_lead(verdict, first)}, {scope(study, trial)}."
    )


def _tie(study: Study, answer: Answer, verdict: Verdict, trial: Trial) -> str:
    equal = [item for item in verdict.comparisons if item.relation is Relation.EQUAL]
    places = lead_decimals(verdict)
    widest = max(item.lead for item in equal)
    names = _list([verdict.best, *(item.rival for item in equal)])
    arms = answer.searches.arms
    seconds = arms[trial.arm].seconds
    rivals = [arms[name].seconds or 0.0 for name in (verdict.best, *(item.rival for item in equal))]
    why = ", the best of them by its mean"
    if seconds and seconds <= min(rivals):
        why = f", the cheapest of them ({duration(seconds)} a run)"
    return (
        f"A tie: {names} are practically equal (their means at most {number(widest, places)} apart,"
        f" where {verdict.margin:.2g} counts as equal). Train with {_with(trial)}{why}: its"
        f" {_value(study, verdict, trial.arm, ' is')}, {scope(study, trial)}."
    )


def _insufficient(stored: StoredStudy, answer: Answer, verdict: Verdict, trial: Trial) -> str:
    study = stored.study
    text = f"Not enough evidence yet: {_with(trial)} is best so far with a"
    text += f" {_value(study, verdict, trial.arm)}"
    if verdict.comparisons:
        first = closest(verdict)
        text += f", ahead of {first.rival} by {_lead(verdict, first)}"
    text += f", {scope(study, trial)}."
    if not answer.complete:
        return text
    if advice := settle(study, verdict):
        return f"{text} {advice}"
    text += "".join(f" What stands in the way: {reason}." for reason in verdict.reasons[:1])
    unclear = {item.rival for item in verdict.comparisons if item.relation is Relation.UNCLEAR}
    at_edge = best_at_edge(gather(stored, answer))
    remedies = [item.remedy for item in at_edge if item.arm in unclear]
    return text + "".join(f" To extend its range: `{remedy}`." for remedy in remedies[:1])


def _without_verdict(stored: StoredStudy, answer: Answer) -> str:
    study = stored.study
    if answer.finalists:
        sign = 1 if study.minimize else -1
        best = min(answer.finalists, key=lambda item: sign * item.explored)
        places = decimals_for([(best.explored, None, None)])
        failed = sum(len(item.failures) for item in answer.finalists)
        why = (
            f"none of the {failed} verdict runs that are over completed"
            if failed
            else "no verdict run is over"
        )
        return (
            f"No answer yet: {_with(best.trial)} looked best in the search with a {study.metric}"
            f" of {number(best.explored, places)}, but {why}, and a search's best value is"
            " optimistic."
        )
    over = [outcome for search in answer.searches for outcome in search.outcomes.values()]
    if not over:
        return "No answer yet: no run is over."
    kinds = Counter(over)
    completed = kinds.pop(Outcome.COMPLETE, 0)
    words = [f"{count} {kind.value}" for kind, count in kinds.items()]
    if completed and study.subject_to and answer.complete:
        words.append(f"{completed} break {' or '.join(study.subject_to)}")
        return f"No answer: none of the {len(over)} trials may be used ({', '.join(words)})."
    if completed:
        return f"No answer yet: no whole run is over; {completed} of {len(over)} trials completed."
    return (
        f"No answer: none of the {len(over)} trials that are over completed ({', '.join(words)})."
    )


def _with(trial: Trial) -> str:
    values = settings(trial.values)
    return f"{trial.arm} ({values})" if values else trial.arm


def _value(study: Study, verdict: Verdict, arm: str, joint: str = " of") -> str:
    estimate, places = verdict.estimates[arm], estimate_decimals(verdict)
    ends = interval(estimate.low, estimate.high, places)
    return f"{study.metric}{joint} {number(estimate.mean, places)}{ends}"


def _lead(verdict: Verdict, item: Comparison) -> str:
    places = lead_decimals(verdict)
    return number(item.lead, places) + interval(item.low, item.high, places)


def _plural(unit: str, count: int) -> str:
    if unit == "seed":
        return "fresh seed" if count == 1 else "fresh seeds"
    return "sub-search" if count == 1 else "sub-searches"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
