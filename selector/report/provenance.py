"""How a study was run: what it trained, on what, with which versions, how much of everything."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from selector.config.identity import plain
from selector.report.compare import metric_on_test, tokens_spent
from selector.space.cost import parameters
from selector.space.dimension import range_mapping
from selector.study.answer import Answer
from selector.study.comparable import marks
from selector.study.decisions import SAMPLER
from selector.study.sampler import sampler_facts
from selector.study.stored import StoredStudy
from selector.track.record import StoredRun
from selector.track.run import Outcome

# A fact with more distinct values than this is a measurement of each run, not a condition.
_MOST_VALUES = 6
_TIMES = ("started", "ended")
# How a run failed stands among the failures.
_FAILURES = ("exception", "place", "exit_code", "signal")
_MEASURED = (
    *("peak_memory_gib", "flops", "peak_flops_per_second", "throttled_share", "early_stopping"),
    *("device_celsius", "device_celsius_mean", "device_watts", "device_joules"),
)
_NOT_SHOWN = (*_TIMES, *_MEASURED, *_FAILURES)


def provenance(stored: StoredStudy, answer: Answer) -> dict[str, Any]:
    """Plain data for recommendation.json and the last part of the page.

    `facts` holds what the runs say of the place where they ran, each with its distinct values.
    """
    study, record = stored.study, stored.record
    over = [item for item in record.runs() if item.trial and item.result]
    config = (answer.recommended or study.arms[0]).config
    function, objective = not config.built_in, config.objective
    endless = objective.kind == "replay" and not objective.horizon  # its runs have no length
    runs_over, planned = answer.searches.finished, answer.searches.total
    found: dict[str, Any] = {
        "metric": study.metric,
        "direction": study.direction,
        "test_metric": metric_on_test(study.metric),
        "objective": objective.function or objective.name,
        "model": None if function else config.model.name,
        "parameters": None if function else parameters(config),
        "fair": study.fair,
        "tokens_per_run": {} if endless else {arm.name: arm.tokens for arm in study.arms},
        "seconds_per_token": dict(study.pilot),
        "data": objective.table or (None if function else config.data.name),
        "data_fingerprint": objective.fingerprint
        or (None if function else config.data.fingerprint or None),
        "study_seed": study.seed,
        "seeds": _seeds(over),
        "sampler": _sampler(stored),
        "budget": plain(study.budget),
        "sub_searches": answer.units,
        "verdict_seeds": study.verdict_seeds,
        "spaces": {
            arm.name: {key: range_mapping(item) for key, item in arm.space.dimensions.items()}
            for arm in answer.searches.arms.values()
        },
        "runs": {"over": runs_over, "planned": planned},
        "seconds": sum(item.result.seconds for item in over if item.result),
        "tokens": sum(map(tokens_spent, over)),
        "spikes": _spikes(over),
        "utilization": _median(over, "model_flop_utilization"),
        "joules": _sum(over, "device_joules"),
        "incomparable": marks(study),
        "facts": _facts(over),
        "notes": list(study.notes),
        "decisions": record.decisions(),
        "evidence": evidence(answer),
    }
    for name, choose in (("started", min), ("ended", max)):
        times = [
            str(item.result.facts[name])
            for item in over
            if item.result and item.result.facts.get(name)
        ]
        if times:
            found[name] = choose(times)
    return found


def _sampler(stored: StoredStudy) -> dict[str, Any]:
    """The sampler with the versions that were there when the study ran last."""
    facts: dict[str, Any] = plain(sampler_facts(stored.study.sampler))
    known = [item for item in stored.record.decisions() if item["decision"] == SAMPLER]
    return {key: known[-1].get(key, facts[key]) for key in facts} if known else facts


def evidence(answer: Answer) -> dict[str, Any]:
    """What the verdict rests on: its unit, the lead over each rival, and every finalist."""
    verdict = answer.verdict
    return {
        "unit": verdict.unit if verdict else None,
        "best": verdict.best if verdict else None,
        "comparisons": [
            {
                "rival": item.rival,
                "lead": item.lead,
                "low": item.low,
                "high": item.high,
                "relation": item.relation.value,
                "units_needed": item.units_needed,
            }
            for item in (verdict.comparisons if verdict else ())
        ],
        "finalists": [
            {
                "arm": item.arm,
                "sub_search": item.sub_search,
                "trial": item.trial.number,
                "values": plain(item.trial.values),
                "explored": item.explored,
                "screened": item.screened,
                "confirmed": list(item.confirmed),
                "failures": list(item.failures),
            }
            for item in answer.finalists
        ],
    }


def _spikes(runs: list[StoredRun]) -> dict[str, int] | None:
    """Completed runs that report spikes of the loss, those that had any, and the most of one."""
    counts = [
        int(item.result.metrics["loss_spikes"])
        for item in runs
        if item.result
        and item.result.outcome is Outcome.COMPLETE
        and "loss_spikes" in item.result.metrics
    ]
    if not counts:
        return None
    return {"runs": len(counts), "with": sum(map(bool, counts)), "most": max(counts)}


def _median(runs: list[StoredRun], metric: str) -> float | None:
    """Of the completed runs' last values; None where none reports it."""
    results = [item.result for item in runs if item.result]
    found = [
        result.metrics[metric]
        for result in results
        if result.outcome is Outcome.COMPLETE and metric in result.metrics
    ]
    return statistics.median(found) if found else None


def _sum(runs: list[StoredRun], fact: str) -> float | None:
    found = [item.result.facts[fact] for item in runs if item.result and fact in item.result.facts]
    return math.fsum(found) if found else None


def _seeds(runs: list[StoredRun]) -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    for item in runs:
        found.setdefault(item.run.stage, set()).add(item.run.seed)
    return {stage: sorted(seeds) for stage, seeds in found.items()}


def _facts(runs: list[StoredRun]) -> dict[str, list[Any]]:
    values: dict[str, dict[Any, None]] = {}
    for item in runs:
        if item.result:
            for key, value in _flat(item.result.facts).items():
                values.setdefault(key, {})[value] = None
    return {
        key: sorted(found, key=str)
        for key, found in sorted(values.items())
        if len(found) <= _MOST_VALUES and key.partition(".")[0] not in _NOT_SHOWN
    }


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | bool):
            found[prefix + str(key)] = value
    return found
