"""Time, speed and heat: whether the study fits its budget, and what slowed it down."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import datetime

from selector.config.metrics import METRICS
from selector.report.compare import devices, tokens_spent
from selector.report.digits import duration, setting
from selector.report.health.evidence import ArmEvidence, Evidence, Finding, median_of
from selector.report.health.remedy import again, go_on, settings
from selector.space.cost import flops_per_token
from selector.study.lengths import scaled
from selector.study.verdict import VerdictState
from selector.track.run import Outcome

_SLOW = 4.0
_LONGER = 2.0
# NVIDIA's data-centre GPUs slow down from 85 to 90 degrees on; 80 is their usual highest.
_HOT = 85.0
_COOLER = 80
_THROTTLED = 0.1


def too_slow(evidence: Evidence) -> Iterator[Finding]:
    """The runs that the budget asks for take longer than it allows."""
    study, budget = evidence.study, evidence.study.budget
    limit = budget.device_hours or budget.hours
    if not limit or evidence.answer.complete:
        return
    left = 0.0
    for found in evidence.arms:
        each = median_of([item.result.seconds for item in found.completed if item.result])
        if each is None:
            return
        left += each * sum(one.runs - one.finished for one in found.search.sub_searches)
    spent = sum(
        item.result.seconds for found in evidence.arms for item in found.over if item.result
    )
    hours = (spent + left) / 3600
    if not budget.device_hours:
        hours /= _side_by_side(evidence)
    if hours <= limit:
        return
    name = "device_hours" if budget.device_hours else "hours"
    shorter = scaled(study, 0.9 * limit / hours)  # a tenth to spare
    yield Finding(
        check="training too slow",
        arm="",
        text=f"at the measured speed the budget's runs take {duration(3600 * hours)}, and"
        f" budget.{name} allows {duration(3600 * limit)}: shorter runs, a smaller model or more"
        " devices fit it",
        remedy=again(study, shorter, "shorter")
        if shorter
        else go_on(study, f"budget.{name}={setting(1.1 * hours)}"),
    )


def slow_arm(evidence: Evidence) -> Iterator[Finding]:
    """An arm gets a quarter or less of the FLOPs per second that the device did in another."""
    study = evidence.study
    fastest: dict[str, tuple[float, str]] = {}
    speeds: dict[str, dict[str, float]] = {}
    for found in evidence.arms:
        speeds[found.name] = _speeds(found)
        for device, speed in speeds[found.name].items():
            fastest[device] = max(fastest.get(device, (0.0, "")), (speed, found.name))
    for found in evidence.arms:
        for device, speed in speeds[found.name].items():
            best, name = fastest[device]
            if _SLOW * speed > best:
                continue
            batch = found.arm.config.batch
            overrides = []
            if batch.accumulation > 1 and not batch.batch_warmup:
                size = batch.micro_batch * batch.accumulation
                both = {"batch.micro_batch": size, "batch.accumulation": 1}
                overrides = settings(study, both)
            yield Finding(
                check="an arm is slow",
                arm=found.name,
                text=f"{device} did {setting(best / speed)} times as many operations per second in"
                f" {name}: its time says more about the program than about the technique",
                remedy=again(study, overrides, "larger_batch") if len(overrides) == 2 else "",
            )
            break


def winner_takes_longer(evidence: Evidence) -> Iterator[Finding]:
    """The winner's runs take at least twice the time of a rival's, which had the same tokens."""
    study, verdict = evidence.study, evidence.answer.verdict
    if verdict is None or verdict.state is not VerdictState.WINNER or study.fair == "seconds":
        return
    seconds = {found.name: found.row.seconds for found in evidence.arms}
    own = seconds.get(verdict.best)
    rivals = {name: time for name, time in seconds.items() if time and name != verdict.best}
    if not own or not rivals:
        return
    fastest = min(rivals, key=lambda name: rivals[name])
    if own < _LONGER * rivals[fastest]:
        return
    built_in = all(found.arm.config.built_in for found in evidence.arms)
    yield Finding(
        check="the winner takes longer",
        arm=verdict.best,
        text=f"a run takes {duration(own)}, one of {fastest} {duration(rivals[fastest])}: at equal"
        " time the order may be another",
        remedy=again(study, ["fair=seconds"], "at_equal_time") if built_in else "",
    )


def unlike_devices(evidence: Evidence) -> Iterator[Finding]:
    """Runs whose times or memory are compared were trained on devices of unlike kinds."""
    kinds = devices(
        item for found in evidence.arms for item in found.judged if item.run.config.built_in
    )
    if len(kinds) < 2:
        return
    names = [item.name for item in METRICS if "devices" in item.unlike and item.better]
    each = "; ".join(f"{name}: {', '.join(sorted(arms))}" for name, arms in kinds.items())
    yield Finding(
        check="values that cannot be compared",
        arm="",
        text=f"its runs trained on unlike devices ({each}): {', '.join(names)} say as much of the"
        " device as of the technique; FLOPs can be compared, or let all runs have one kind",
        remedy="",
    )


def hot_device(evidence: Evidence) -> Iterator[Finding]:
    """A device was hot, or slowed itself down for it, while runs were measured."""
    study = evidence.study
    hottest: dict[str, float] = {}
    throttled: dict[str, float] = {}
    for found in evidence.arms:
        for item in found.over:
            facts = item.result.facts if item.result else {}
            device = str(facts.get("device", "the device"))
            for name, highest in (("device_celsius", hottest), ("throttled_share", throttled)):
                value = facts.get(name)
                if isinstance(value, int | float):
                    highest[device] = max(highest.get(device, 0.0), float(value))
    for device in dict.fromkeys((*hottest, *throttled)):
        heat, share = hottest.get(device, 0.0), throttled.get(device, 0.0)
        if heat < _HOT and share <= _THROTTLED:
            continue
        slowed = f"was slowed down in up to {round(100 * share)} % of a run" if share else "was hot"
        at = f" at up to {heat:.0f} degrees Celsius" if heat else ""
        yield Finding(
            check="hot device",
            arm="",
            text=f"{device} {slowed}{at}: times are not comparable then, and a lower power limit"
            " (nvidia-smi --power-limit=WATTS, as administrator) keeps its clocks steady; pausing"
            " between runs lets it cool",
            remedy=go_on(study, f"launcher.pause_above_celsius={_COOLER}")
            if study.launcher.name == "local"
            else "",
        )


def _speeds(found: ArmEvidence) -> dict[str, float]:
    """Median FLOPs per second of the arm's completed runs, by device; built-in trainings only."""
    rates: dict[str, list[float]] = {}
    for item in found.completed:
        if item.result and item.run.config.built_in and item.result.seconds > 0:
            rate = tokens_spent(item) * flops_per_token(item.run.config) / item.result.seconds
            rates.setdefault(str(item.result.facts.get("device", "")), []).append(rate)
    return {device: statistics.median(own) for device, own in rates.items()}


def _side_by_side(evidence: Evidence) -> float:
    """How many runs went on at once on average: their time over the time from first to last end."""
    ends, seconds = [], 0.0
    for found in evidence.arms:
        for item in found.over:
            if item.result and item.result.outcome is Outcome.COMPLETE:
                seconds += item.result.seconds
                if isinstance(ended := item.result.facts.get("ended"), str):
                    ends.append(datetime.fromisoformat(ended).timestamp())
    span = max(ends, default=0.0) - min(ends, default=0.0)
    return max(1.0, seconds / span) if span else 1.0
