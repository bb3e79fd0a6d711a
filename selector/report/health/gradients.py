"""Gradients that explode, hardly reach a part of the model, or are always cut."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from selector.report.digits import number, setting
from selector.report.health.evidence import ArmEvidence, Evidence, Finding, median_of
from selector.report.health.remedy import again, settings
from selector.space.interval import Interval

# Measured on runs of the shipped optimizers, 2 to 12 blocks: the norm falls to .1-.3 of its start,
# and grows above three times its start only at rates that no longer train. The spread between
# blocks has a median of 2 to 4, of 23 in 12 blocks of width 32.
_GROWTH = 3.0
_SPREAD = 100.0
_CLIPPED = 0.9
_SHORTEST = 10
_NORM = "gradient_norm"


def exploding(evidence: Evidence) -> Iterator[Finding]:
    """The gradient's norm in the second half of the finalists' runs is far above its start."""
    study = evidence.study
    for found in evidence.arms:
        growth = _middle(evidence, found, _NORM, _growth)
        if growth is None or growth <= _GROWTH:
            continue
        config = found.arm.config
        clip = config.regularization.grad_clip
        overrides = settings(study, {"regularization.grad_clip": clip / 2 if clip else 1.0})
        yield Finding(
            check="exploding gradients",
            arm=found.name,
            text=f"in the second half of its best settings' runs the gradient's norm reached"
            f" {setting(growth)} times that of the start: the rate is at the limit of what trains",
            remedy=again(study, overrides, "clipped") if overrides and config.built_in else "",
        )


def uneven(evidence: Evidence) -> Iterator[Finding]:
    """Some blocks get a hundred times the gradient of others: it vanishes on its way through."""
    study = evidence.study
    for found in evidence.arms:
        spread = _middle(evidence, found, f"{_NORM}/spread", statistics.median)
        if spread is None or spread <= _SPREAD:
            continue
        overrides = [] if found.arm.config.model.qk_norm else _switched(evidence, "model.qk_norm")
        yield Finding(
            check="vanishing gradients",
            arm=found.name,
            text="the gradient's norm differs between blocks by a factor of"
            f" {setting(float(round(spread)))}: parts of the model hardly learn; normalization,"
            " fewer blocks or a smaller rate help",
            remedy=again(study, overrides, "normalized") if overrides else "",
        )


def always_clipped(evidence: Evidence) -> Iterator[Finding]:
    """Nearly every step of the finalists is clipped: the clip then acts as a learning rate."""
    study, key = evidence.study, "regularization.grad_clip"
    for found in evidence.arms:
        share = _middle(evidence, found, "clipped_share", lambda shares: shares[-1])
        norm = _middle(evidence, found, _NORM, statistics.median)
        if share is None or norm is None or share < _CLIPPED:
            continue
        item = found.arm.space.dimensions.get(key)
        if isinstance(item, Interval):  # it is tuned; the best at an edge is said elsewhere
            continue
        overrides = settings(study, {key: float(f"{2 * norm:.1g}")})
        yield Finding(
            check="nearly every step is clipped",
            arm=found.name,
            text=f"{round(100 * share)} % of the steps of its best settings were clipped (the"
            f" gradient's norm is usually {number(norm, 2)}): clipping then sets the size of the"
            " steps, and the tuned rate means something else",
            remedy=again(study, overrides, "less_clipped") if overrides else "",
        )


def _middle(
    evidence: Evidence,
    found: ArmEvidence,
    metric: str,
    summary: Callable[[Sequence[float]], float | None],
) -> float | None:
    """The median over the finalists' runs of what `summary` makes of a metric's curve."""
    curves = [[value for _, value in evidence.curve(run, metric)] for run in found.judged]
    values = [summary(curve) for curve in curves if curve]
    return median_of([value for value in values if value is not None])


def _growth(norms: Sequence[float]) -> float | None:
    """The largest norm of the second half over the first one reported."""
    if len(norms) < _SHORTEST or not norms[0]:
        return None
    return max(norms[len(norms) // 2 :]) / norms[0]


def _switched(evidence: Evidence, key: str) -> list[str]:
    arms = evidence.study.arms
    free = all(key not in arm.space.dimensions and key not in arm.compared for arm in arms)
    return [f"{key}=true"] if free and all(arm.config.built_in for arm in arms) else []
