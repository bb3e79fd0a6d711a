"""How runs failed, and what avoids it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from selector.report.digits import setting
from selector.report.health.evidence import ArmEvidence, Evidence, Finding, outcome_of
from selector.report.health.remedy import again, alone, range_text, scoped, smaller_batch
from selector.space.interval import Interval
from selector.study.lengths import scaled
from selector.study.study import Study
from selector.track.run import Outcome

_FAILED_SHARE = 0.25
_INFEASIBLE_SHARE = 0.5
# Out of memory has a check of its own; the others say nothing of a configuration.
_NOT_COUNTED = (Outcome.COMPLETE, Outcome.STOPPED, Outcome.LOST, Outcome.OUT_OF_MEMORY)
_BATCH = "batch.micro_batch"


def many_failures(evidence: Evidence) -> Iterator[Finding]:
    """More than a quarter of an arm's explore runs failed."""
    for found in evidence.arms:
        kinds = Counter(map(outcome_of, found.trials))
        failed = {kind: count for kind, count in kinds.items() if kind and kind not in _NOT_COUNTED}
        if not failed or sum(failed.values()) <= _FAILED_SHARE * len(found.trials):
            continue
        most = max(failed, key=lambda name: failed[name])
        words = ", ".join(f"{count} {name.value}" for name, count in failed.items())
        yield Finding(
            check="many failures",
            arm=found.name,
            text=f"{sum(failed.values())} of {len(found.trials)} trials failed ({words}): fewer"
            " were left to find the best among",
            remedy=_against(evidence.study, found, most),
        )


def out_of_memory(evidence: Evidence) -> Iterator[Finding]:
    """Runs of any stage ran out of memory; smaller micro-batches train the same."""
    study = evidence.study
    for found in evidence.arms:
        over = found.over
        count = sum(outcome_of(item) is Outcome.OUT_OF_MEMORY for item in over)
        if not count:
            continue
        yield Finding(
            check="out of memory",
            arm=found.name,
            text=f"{count} of {len(over)} runs needed more memory than there was; smaller"
            " micro-batches with more accumulation see the same tokens per step",
            remedy=_less_memory(study, found),
        )


def infeasible(evidence: Evidence) -> Iterator[Finding]:
    """Most of an arm's trials completed but broke a constraint of `subject_to`."""
    study = evidence.study
    for found in evidence.arms if study.constraints else ():
        over = [
            (item.run, item.result)
            for item in found.trials
            if item.result and item.result.outcome is Outcome.COMPLETE
        ]
        broken = sum(evidence.answer.searches.violation(*one) > 0 for one in over)
        if broken <= _INFEASIBLE_SHARE * len(over):
            continue
        names = {item.name for item in study.constraints}
        remedy = ""
        if "peak_memory_gib" in names:
            remedy = _less_memory(study, found)
        elif "seconds" in names and found.arm.config.built_in:
            shorter = scaled(study, 0.5)
            remedy = again(study, shorter, "shorter") if shorter else ""
        yield Finding(
            check="few trials are allowed",
            arm=found.name,
            text=f"{broken} of {len(over)} trials completed but break a constraint"
            f" ({', '.join(study.subject_to)}): fewer were left to find the best among",
            remedy=remedy,
        )


def _less_memory(study: Study, found: ArmEvidence) -> str:
    arm = found.arm
    if not arm.config.built_in:
        return ""
    if _BATCH in arm.space.dimensions:
        return _narrower(study, found, _BATCH)
    overrides = smaller_batch(arm.config.batch)
    if not overrides or {_BATCH, "batch.accumulation"} & arm.compared.keys():
        return ""
    # The same for all arms where they share it: nothing but memory and time changes.
    differ = any(other.config.batch != arm.config.batch for other in study.arms)
    return again(study, [*(alone(arm) if differ else []), *overrides], "smaller_batch")


def _against(study: Study, found: ArmEvidence, kind: Outcome) -> str:
    """The override that avoids a kind of failure, where there is one."""
    return _narrower(study, found, "optimizer.lr") if kind is Outcome.DIVERGED else ""


def _narrower(study: Study, found: ArmEvidence, key: str) -> str:
    """The range of `key` up to the largest value that completed."""
    item = found.arm.space.dimensions.get(key)
    if not isinstance(item, Interval):
        return ""
    values = [
        float(run.trial.values[key])  # type: ignore[arg-type]
        for run in found.trials
        if run.trial and outcome_of(run) is Outcome.COMPLETE
    ]
    highest = max(values, default=0.0)
    if not item.low < highest < item.high or setting(highest) == setting(float(item.low)):
        return ""
    text = range_text(item, float(item.low), highest)
    return again(study, [*scoped(study, found.arm, key), f"{key}={text}"], "narrower")
