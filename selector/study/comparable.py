"""Whether what a study compares can be compared by what it judges by: refused where it cannot.

The rules are those of `selector.config.metrics`. What a function of the user's reports is the
user's own; the report's health checks look at its names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from selector.config.compute import MEASURED
from selector.config.decode import Mistakes, unknown
from selector.config.dotted import leaves
from selector.config.identity import plain
from selector.config.metrics import DIFFERENCES, METRICS, Metric, better_for, find
from selector.config.schema import RunConfig
from selector.study.study import Study

if TYPE_CHECKING:
    from selector.config.study import ComposedStudy  # which loads Hydra


def check_metrics(
    composed: ComposedStudy, spaces: Sequence[Collection[str]], mistakes: Mistakes
) -> None:
    """Note a metric that can judge no run, and those that the study's own question makes unlike.

    `spaces` are the dotted keys that are tuned, arm by arm.
    """
    configs = [arm.config for arm in composed.arms]
    if not all(config.built_in for config in configs):
        return
    _check_measured(configs, spaces, mistakes)
    differing = differences(configs, spaces)
    objective = configs[0].objective
    metric = find(objective.metric)
    if metric is None:
        known = [item.name for item in METRICS if not item.judges_not]
        mistakes.add("objective.metric", unknown("metric", objective.metric, known))
    elif metric.judges_not:
        mistakes.add("objective.metric", f"{metric.name} judges no run: {metric.judges_not}")
    else:
        if objective.direction != metric.direction:
            mistakes.add(
                "objective.direction",
                f"expected {metric.direction} for {metric.name}, of which {metric.better} is"
                f" better; got {objective.direction}",
            )
        _check("objective.metric", metric, differing, mistakes)
    for name in dict.fromkeys(composed.question.pareto):
        cost = find(name)
        if cost is not None:
            _check("pareto", cost, differing, mistakes)


def differences(
    configs: Sequence[RunConfig], spaces: Sequence[Collection[str]]
) -> dict[str, dict[str, str]]:
    """What the runs of a study differ in: key of DIFFERENCES -> dotted key -> how, in words."""
    tuned = {key for space in spaces for key in space}
    own = [leaves(plain(config)) for config in configs]
    found = {}
    for name, difference in DIFFERENCES.items():
        hows = {key: _how(key, own, tuned) for key in _below(difference.keys, own)}
        if any(hows.values()):
            found[name] = {key: how for key, how in hows.items() if how}
    return found


def marks(study: Study) -> dict[str, str]:
    """Metrics that mean unlike things in the runs of a study -> why, for its report."""
    arms = study.arms
    return incomparable([arm.config for arm in arms], [arm.space.dimensions for arm in arms])


def incomparable(configs: Sequence[RunConfig], spaces: Sequence[Collection[str]]) -> dict[str, str]:
    """Metrics that mean unlike things in the runs of a study -> why, in words."""
    if not all(config.built_in for config in configs):
        return {}
    differing = differences(configs, spaces)
    return {
        metric.name: "; ".join(
            f"unlike {name}: {DIFFERENCES[name].why}" for name in metric.unlike if name in differing
        )
        for metric in METRICS
        if metric.unlike.keys() & differing.keys()
    }


def _check_measured(
    configs: Sequence[RunConfig], spaces: Sequence[Collection[str]], mistakes: Mistakes
) -> None:
    """Note what is tuned, or sets arms apart, though it changes nothing that judges a run."""
    without = [leaves(plain(config)) for config in configs]
    own = [{key: mapping.pop(key) for key in MEASURED} for mapping in without]
    for mapping in without:
        del mapping["compute.name"]
    twins = [
        (own[first], own[second])
        for second in range(len(own))
        for first in range(second)
        if without[first] == without[second]
    ]
    for key in MEASURED:
        tuned = any(key in space for space in spaces)
        if tuned or any(first[key] != second[key] for first, second in twins):
            mistakes.add(
                key,
                f"is {'tuned' if tuned else 'all that sets arms apart'}, and no run trains or is"
                " judged differently for it: the loss of the compressed copy is measured beside"
                " that of the result; give one value to all arms",
            )


def _check(
    where: str, metric: Metric, differing: Mapping[str, Mapping[str, str]], mistakes: Mistakes
) -> None:
    for name in metric.unlike:
        if name in differing:
            hows = "; ".join(f"{key} {how}" for key, how in differing[name].items())
            mistakes.add(
                where,
                f"{metric.name} cannot be compared across unlike {name} ({hows}):"
                f" {DIFFERENCES[name].why}; {_instead(where, metric, differing)}"
                f"fix {' and '.join(differing[name])}",
            )


def _instead(where: str, metric: Metric, differing: Collection[str]) -> str:
    other = better_for(metric, differing)
    if other is None:
        return "no other metric can be, so "
    if where == "pareto":
        return f"use {other.name} instead, or "
    turned = "" if other.better == metric.better else f" objective.direction={other.direction}"
    return f"use objective.metric={other.name}{turned} instead, or "


def _below(keys: Collection[str], own: Sequence[Mapping[str, Any]]) -> list[str]:
    """The dotted keys of values under `keys`; a part's name and version are none."""
    return [
        leaf
        for leaf in dict.fromkeys(leaf for mapping in own for leaf in mapping)
        if any(leaf == key or leaf.startswith(f"{key}.") for key in keys)
        and leaf.rpartition(".")[2] not in ("name", "version")
    ]


def _how(key: str, own: Sequence[Mapping[str, Any]], tuned: Collection[str]) -> str:
    """How runs differ in `key`; empty where they do not."""
    if key in tuned:
        return "is tuned"
    values = dict.fromkeys(str(mapping.get(key)) for mapping in own)
    return f"is {' or '.join(values)}" if len(values) > 1 else ""
