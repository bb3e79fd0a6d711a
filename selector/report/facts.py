"""The page's last parts as rows of ready text: how runs failed, and how the study was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selector.report.digits import duration, setting, size
from selector.study.stored import StoredStudy
from selector.track.run import Outcome

_MOST_SEEDS = 12


@dataclass(frozen=True, kw_only=True)
class FailureLine:
    """Runs of one arm that ended in the same way."""

    arm: str
    kind: str
    runs: int
    error: str
    """What the first of them said, in a line."""
    folder: str
    """Where the first of them lies, below the runs folder: a page is sent to others."""


@dataclass(frozen=True, kw_only=True)
class FactLine:
    """One thing about how the study was run."""

    name: str
    value: str


def failed_runs(stored: StoredStudy) -> list[FailureLine]:
    """A line for each arm and kind of failure, in the study's order."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for item in stored.record.runs():
        if item.trial and item.result and item.result.outcome is not Outcome.COMPLETE:
            place = (item.trial.arm, item.result.outcome.value)
            found.setdefault(place, []).append((item.result.error, item.run.key))
    order = [arm.name for arm in stored.study.arms]
    return [
        FailureLine(
            arm=arm,
            kind=kind.replace("_", " "),
            runs=len(runs),
            error=_in_a_line(runs[0][0], kind),
            folder=f"{stored.study.name}/{runs[0][1]}",
        )
        for (arm, kind), runs in sorted(found.items(), key=lambda pair: order.index(pair[0][0]))
    ]


def _in_a_line(error: str, kind: str) -> str:
    """A traceback's last line; otherwise the first, which the end of a log may follow."""
    lines = error.strip().splitlines() or [""]
    return lines[-1 if kind == Outcome.CRASHED.value else 0]


def how_it_was_run(provenance: Mapping[str, Any]) -> list[FactLine]:
    """The parts of the provenance that are known, in words."""
    budget, sampler = provenance["budget"], provenance["sampler"]
    own = {k: v for k, v in sampler.items() if k not in ("name", "version", "libraries")}
    libraries = ", ".join(f"{name} {version}" for name, version in sampler["libraries"].items())
    values = ", ".join(f"{key} {setting(value)}" for key, value in own.items())
    model, parameters = provenance["model"], provenance["parameters"]
    data, fingerprint = provenance["data"], provenance["data_fingerprint"]
    runs, lengths = provenance["runs"], provenance["tokens_per_run"]
    seconds, tokens = provenance["seconds"], provenance["tokens"]  # 0 where nothing was trained
    lines = {
        "Metric": f"{provenance['metric']} ({provenance['direction']})",
        "Objective": provenance["objective"],
        "Model": model and f"{model}, {size(parameters)} parameters",
        "Data": data and f"{data}, fingerprint {fingerprint or 'not recorded'}",
        "Length of a run": lengths and _lengths(lengths, provenance["fair"]),
        "Sampler": f"{sampler['name']} {sampler['version']}" + (f" ({values})" if values else ""),
        "Sampler computed by": libraries,
        "Budget": f"{budget['name']}: {budget['trials']} trials × {provenance['sub_searches']}"
        f" sub-searches an arm, {provenance['verdict_seeds']} verdict seeds each",
        "Runs": f"{runs['over']} of {runs['planned']} over",
        "Training time": seconds and f"{duration(seconds)}, all runs together",
        "Training tokens": tokens and f"{size(tokens)}, all runs together",
        "Energy": _energy(provenance["joules"], seconds),
        "Spikes of the loss": _spikes(provenance["spikes"]),
        "Model-FLOP utilization": _utilization(provenance["utilization"]),
        **{f"Not comparable, {name}": why for name, why in _marked(provenance["incomparable"])},
        "Started": provenance.get("started"),
        "Ended": provenance.get("ended"),
        **{name: ", ".join(map(str, found)) for name, found in provenance["facts"].items()},
        "Study seed": str(provenance["study_seed"]),
        **{f"Seeds, {stage}": _seeds(seeds) for stage, seeds in provenance["seeds"].items()},
        "Report written by": f"selector {provenance['selector']}",
    }
    return [FactLine(name=_title(name), value=value) for name, value in lines.items() if value]


def _energy(joules: float | None, seconds: float) -> str:
    if joules is None:
        return ""
    power = f", {joules / seconds:.0f} W on average" if seconds else ""
    return f"{joules / 3.6e6:.2g} kWh by the GPUs in all runs together{power}"


def _spikes(spikes: Mapping[str, int] | None) -> str:
    if spikes is None:
        return ""
    most = f", at most {spikes['most']} in one" if spikes["with"] else ""
    return f"in {spikes['with']} of {spikes['runs']} completed runs{most}"


def _utilization(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2g} % of the device's peak in the median run"


def _marked(incomparable: Mapping[str, str]) -> list[tuple[str, str]]:
    """The metrics that share a reason, and the reason."""
    found: dict[str, list[str]] = {}
    for name, why in incomparable.items():
        found.setdefault(why, []).append(name)
    return [(", ".join(names), why) for why, names in found.items()]


def _lengths(tokens: Mapping[str, int], fair: str) -> str:
    """The tokens of a run, arm by arm where they differ."""
    if len(set(tokens.values())) == 1:
        return f"{size(next(iter(tokens.values())))} tokens"
    each = "; ".join(f"{arm}: {size(count)}" for arm, count in tokens.items())
    return f"{each} tokens" + ("" if fair == "tokens" else f" (equal {fair})")


def _title(name: str) -> str:
    """'versions.torch' -> 'torch'; other names with a capital and without underscores."""
    leaf = name.rpartition("versions.")[2]
    return leaf if leaf != name else f"{name[0].upper()}{name[1:]}".replace("_", " ")


def _seeds(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:_MOST_SEEDS]))
    return shown if len(seeds) <= _MOST_SEEDS else f"{shown} and {len(seeds) - _MOST_SEEDS} more"
