"""What the finalists' training curves say: not finished, not stable, or fitted too closely."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from selector.config.regularization import PATIENCE
from selector.config.schema import RunConfig
from selector.report.digits import number, size
from selector.report.health.evidence import ArmEvidence, Curve, Evidence, Finding
from selector.report.health.remedy import again, settings
from selector.study.lengths import scaled
from selector.track.record import StoredRun

# The last quarter of a run is judged: it must bring this many margins of practical equality.
_CLEAR_MARGINS = 3
_LAST_SHARE = 0.25
# A rise of the training loss above its lowest so far, in medians of its changes from report to
# report: 4 to 5 in calm runs of the shipped optimizers (50 reports), 16 to 25 in unstable ones.
_SPIKE = 10.0
_SHORTEST = 12
# How many margins the metric must have risen from its best for the model to count as overfitted.
_RISEN_MARGINS = 2
_AROUND = 5  # reports of the training loss, which differ by the batch
_TRAINING = "train/loss"
_CLIP = "regularization.grad_clip"
_PATIENCE = 3  # evaluations: what every run is told that it would have done


def still_improving(evidence: Evidence) -> Iterator[Finding]:
    """The last quarter of the finalists' runs still brought clearly more than the margin."""
    study = evidence.study
    if evidence.margin is None:
        return
    for found in evidence.arms:
        gains = list(_late_gains(evidence, found))
        if not gains or statistics.median(gains) <= _CLEAR_MARGINS * evidence.margin:
            continue
        gain = number(statistics.median(gains), 3)
        built_in, twice = found.arm.config.built_in, scaled(study, 2)
        yield Finding(
            check="still improving at the end",
            arm=found.name,
            text=f"the last quarter of its runs still brought {gain} in {study.metric}: longer"
            " training may change the order"
            + (f" (now {size(found.arm.tokens)} tokens)" if built_in else ""),
            remedy=again(study, twice, "longer") if twice else "",
        )


def unstable(evidence: Evidence) -> Iterator[Finding]:
    """The training loss jumps up in the finalists' runs: their settings are near a cliff."""
    for found in evidence.arms:
        runs = found.judged
        rises = [_rise(_losses(evidence, item)) for item in runs]
        jumps = [rise for rise in rises if rise is not None]
        if not jumps or 2 * len(jumps) <= len(runs):
            continue
        yield Finding(
            check="unstable curves",
            arm=found.name,
            text=f"in {len(jumps)} of the {len(runs)} runs of its best settings the training loss"
            f" jumped up, by {number(max(jumps), 2)} at most: another seed may diverge",
            remedy=_calmer(evidence, found.arm.config),
        )


def overfitting(evidence: Evidence) -> Iterator[Finding]:
    """The metric on the validation part got worse while the one on the training part got better."""
    study = evidence.study
    training = study.metric.replace("validation", "train", 1)
    if evidence.margin is None or training == study.metric:
        return
    rise = _RISEN_MARGINS * evidence.margin
    for found in evidence.arms:
        runs = found.judged
        best = [
            share
            for item in runs
            if (share := _best_at(evidence, item, training, rise)) is not None
        ]
        if not best or 2 * len(best) <= len(runs):
            continue
        share = statistics.median(best)
        yield Finding(
            check="overfitting",
            arm=found.name,
            text=f"in {len(best)} of the {len(runs)} runs of its best settings {study.metric} was"
            f" best after {round(100 * share)} % of the training and then got worse, while"
            f" {training} still got better",
            remedy=_more_regularization(evidence, found.arm.config, share),
        )


def _late_gains(evidence: Evidence, found: ArmEvidence) -> Iterator[float]:
    """How much the metric improved over the last quarter of each of a finalist's completed runs."""
    sign = 1 if evidence.study.minimize else -1
    for item in found.judged:
        points = evidence.curve(item, evidence.study.metric)
        before = [value for step, value in points if step <= (1 - _LAST_SHARE) * points[-1][0]]
        if before:
            yield sign * (before[-1] - points[-1][1])


def _losses(evidence: Evidence, item: StoredRun) -> Sequence[float]:
    """A run's training loss, or its metric where a function reports none, as falling numbers."""
    metric = evidence.study.metric
    curve: Curve = evidence.curve(item, _TRAINING)
    if curve:
        return [value for _, value in curve]
    sign = 1 if evidence.study.minimize else -1
    return [sign * value for _, value in evidence.curve(item, metric)]


def _rise(losses: Sequence[float]) -> float | None:
    """The largest rise above the lowest so far, where it is out of proportion; else None."""
    if len(losses) < _SHORTEST:
        return None
    usual = statistics.median(abs(after - before) for before, after in pairwise(losses))
    lowest, rise = losses[0], 0.0
    for loss in losses:
        rise = max(rise, loss - lowest)
        lowest = min(lowest, loss)
    # A curve that repeats itself exactly, as an interpolated one does, has no usual change.
    return rise if usual and rise > _SPIKE * usual else None


def _best_at(evidence: Evidence, item: StoredRun, training: str, rise: float) -> float | None:
    """After which share of its steps a run that overfitted was best; None: it did not."""
    sign = 1 if evidence.study.minimize else -1
    points = [(step, sign * value) for step, value in evidence.curve(item, evidence.study.metric)]
    fitted = [(step, sign * value) for step, value in evidence.curve(item, training)]
    if len(points) < 3 or not fitted:
        return None
    step, lowest = min(points, key=lambda point: point[1])
    then = [value for place, value in fitted if place <= step]
    if not then or points[-1][1] - lowest <= rise:
        return None
    fell = statistics.fmean(then[-_AROUND:]) > statistics.fmean(v for _, v in fitted[-_AROUND:])
    if not fell:
        return None
    return step / points[-1][0]


def _calmer(evidence: Evidence, config: RunConfig) -> str:
    if not config.built_in:
        return ""
    clip = config.regularization.grad_clip
    values = {_CLIP: clip / 2 if clip else 1.0}
    if config.schedule.values.get("warmup") == 0:
        values["schedule.warmup"] = 0.05
    overrides = settings(evidence.study, values)
    return again(evidence.study, overrides, "calmer") if overrides else ""


def _more_regularization(evidence: Evidence, config: RunConfig, share: float) -> str:
    """More dropout, weight decay and patience where they are free; else an earlier end."""
    if not config.built_in:
        return ""
    study = evidence.study
    dropout, decay = config.regularization.dropout, config.optimizer.values.get("weight_decay")
    values = {"regularization.dropout": min(0.5, dropout + 0.1)}
    if (
        isinstance(decay, int | float)
        and len({arm.config.optimizer.name for arm in study.arms}) == 1
    ):
        values["optimizer.weight_decay"] = 2 * decay or 0.1
    if study.budget.length[0] == "epochs":
        values[PATIENCE] = _PATIENCE
    overrides = settings(study, values)
    if overrides:
        return again(study, overrides, "regularized")
    shorter = scaled(study, share)
    return again(study, shorter, "shorter") if shorter else ""
