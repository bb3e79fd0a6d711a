"""Every number that a run of the built-in trainer reports, and what it can be compared across.

Each is computed, and defined in full, where `defined` says. docs/metrics.md shows this table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What runs may differ in so that a number of one says nothing about the other's."""

    keys: tuple[str, ...]
    """Dotted keys, or whole parts, of a run's configuration."""
    why: str
    """Completes: such runs cannot be compared by a metric, because …"""


#: What a metric may not be compared across, by the words in which it is said.
DIFFERENCES: Mapping[str, Difference] = {
    "text": Difference(
        keys=("data.source", "data.paths", "data.validation_share", "data.test_share"),
        why="a lower value may only mean easier text",
    ),
    "tokens": Difference(
        keys=("data.tokenizer", "data.vocabulary"),
        why="a token of one holds more text than a token of the other",
    ),
    # WMT: .1 -> .2 raised cross-entropy from 1.50 to 1.60, and BLEU went from 31.00 to 30.84
    # (https://github.com/mlcommons/algorithmic-efficiency).
    "label smoothing": Difference(
        keys=("regularization.label_smoothing",),
        why="it gives up probability of the right token, whether or not the model chooses worse",
    ),
    "regularization": Difference(
        keys=tuple(
            f"regularization.{name}"
            for name in ("dropout", "stochastic_depth", "sam", "ema", "swa")
        ),
        why="it is not the model that is judged: noise is on, averages of the weights are not",
    ),
    "models": Difference(keys=("model",), why="it is measured per unit of other parameters"),
    "batch sizes": Difference(
        keys=("batch",), why="the noise in it falls with the sequences of a step"
    ),
    "precision": Difference(
        keys=("compute.precision",), why="the same share of a higher peak is more work"
    ),
    "devices": Difference(
        keys=("compute.device",), why="it is a property of the device as much as of the technique"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reported number."""

    name: str
    """As reported; `*` stands for a whole number."""
    unit: str
    better: Literal["lower", "higher", ""]
    """Empty: neither more nor less of it is better."""
    meaning: str
    defined: str
    """`module:function` that computes it, whose docstring defines it."""
    fact: bool = False
    """Whether it is said of a finished run once, in its result, and is no point of a curve."""
    unlike: Mapping[str, str] = field(default_factory=dict)
    """What it may not be compared across -> the metric to use instead; empty: there is none."""

    @property
    def direction(self) -> str:
        """`objective.direction` that goes with it."""
        return "maximize" if self.better == "higher" else "minimize"

    @property
    def of_judged_runs(self) -> bool:
        """Whether only runs that are judged report it: the search never sees it."""
        return self.name.partition("/")[0] in ("test", "pruned", "quantized", "whole")

    @property
    def judges_not(self) -> str:
        """Why no run can be judged by it; empty where one can."""
        if self.fact:
            return "it is known when a run is over, and is no metric that a run reports"
        if self.name.startswith("test/"):
            return "nothing may be chosen by the test part, which only verdict runs read"
        if self.of_judged_runs:
            return "only verdict runs report it"
        return "" if self.better else "neither more nor less of it is better"


_TEXT = {"text": ""}
_TOKENS = {"text": "", "tokens": "{part}/bits_per_byte"}
_SMOOTHED = {"label smoothing": "{part}/accuracy"}


def _judged(part: str, where: str) -> list[Metric]:
    """The metrics of the validation or the test part."""
    rows: list[tuple[str, str, Literal["lower", "higher"], str, Mapping[str, str]]] = [
        ("loss", "nats a token", "lower", "mean cross-entropy", {**_TOKENS, **_SMOOTHED}),
        ("perplexity", "", "lower", "exp(loss)", {**_TOKENS, **_SMOOTHED}),
        ("bits_per_byte", "bits a byte", "lower", "the loss per byte of text", _TEXT | _SMOOTHED),
        ("accuracy", "share", "higher", "tokens that the model finds most likely", _TOKENS),
    ]
    return [
        Metric(
            name=f"{part}/{name}",
            unit=unit,
            better=better,
            meaning=f"{meaning}, on {where}",
            defined="selector.train.evaluate:described",
            unlike={key: other.format(part=part) for key, other in unlike.items()},
        )
        for name, unit, better, meaning, unlike in rows
    ]


def _training(
    name: str, unit: str, better: Literal["lower", "higher", ""], meaning: str, **unlike: str
) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        better=better,
        meaning=meaning,
        defined="selector.train.member:Member.metrics",
        unlike={key.replace("_", " "): other for key, other in unlike.items()},
    )


def _norm(name: str, meaning: str, unit: str = "nats per unit of parameter") -> Metric:
    return Metric(
        name=f"gradient_norm/{name}",
        unit=unit,
        better="",
        meaning=meaning,
        defined="selector.train.gradients:described",
        unlike={"models": "", "batch sizes": "", "label smoothing": ""},
    )


def _fact(
    name: str,
    unit: str,
    better: Literal["lower", "higher", ""],
    meaning: str,
    defined: str = "selector.train.device:facts",
    **unlike: str,
) -> Metric:
    return Metric(
        name=name, unit=unit, better=better, meaning=meaning, defined=defined, fact=True,
        unlike=unlike,
    )  # fmt: skip


def _compressed(part: str, how: str) -> list[Metric]:
    """The metrics of a result's smaller copy."""
    return [
        *_judged(part, f"the part that judges runs, {how}"),
        _bytes(part, f"size of the weights, {how}, by formula"),
    ]


def _bytes(part: str, meaning: str) -> Metric:
    return Metric(
        name=f"{part}/bytes",
        unit="bytes",
        better="lower",
        meaning=meaning,
        defined="selector.train.compressed:measured",
    )


_TELEMETRY = "selector.launch.telemetry:Telemetry.facts"
METRICS: tuple[Metric, ...] = (
    *_judged("validation", "the part that judges runs"),
    *_judged("test", "the part that only judged runs read, once"),
    *_compressed("pruned", "smallest weights left out (compute.prune)"),
    *_compressed("quantized", "in 8 bits (compute.quantize)"),
    _bytes("whole", "size of the weights as they are kept, where a copy was made smaller"),
    _training(
        "train/loss", "nats a token", "lower", "mean cross-entropy of the steps since the last",
        text="", tokens="validation/bits_per_byte", label_smoothing="validation/accuracy",
        regularization="validation/loss",
    ),
    _training(
        "gradient_norm", "nats per unit of parameter", "",
        "norm of the whole gradient before clipping, mean of the steps since the last",
        models="", batch_sizes="", label_smoothing="",
    ),
    _norm("embedding", "of the tables and the head, at the reported step"),
    _norm("block/*", "of each block from the input on, at each evaluation"),
    _norm("spread", "the largest block's over the smallest's", unit="factor"),
    _training("clipped_share", "share", "", "steps so far whose gradient was clipped"),
    _training("loss_spikes", "steps", "lower", "steps so far whose loss leapt above those before"),
    _training("gradient_spikes", "steps", "lower", "steps so far whose gradient's norm did"),
    _training("learning_rate", "", "", "the scheduled rate of the last step"),
    _training(
        "tokens_per_second", "tokens/s", "higher", "training of one run, evaluation left out",
        tokens="", devices="",
    ),
    _training(
        "model_flop_utilization", "share", "higher",
        "FLOPs by formula a second of all runs side by side, over the device's peak",
        precision="tokens_per_second",
    ),
    _fact("seconds", "s", "lower", "of training and evaluation",
          "selector.track.run:Ended", devices="flops"),
    _fact("steps", "steps", "", "optimizer steps", "selector.track.run:Ended"),
    _fact("parameters", "values", "lower", "trained values, tables included",
          "selector.space.cost:parameters"),
    _fact("flops_per_token", "FLOPs", "lower", "of training on one token, by formula",
          "selector.space.cost:flops_per_token"),
    _fact("flops", "FLOPs", "lower", "of the run's training, by formula"),
    _fact("peak_flops_per_second", "FLOPs/s", "", "what the device can do at most",
          "selector.train.peak:peak"),
    _fact("peak_memory_gib", "GiB", "lower", "the most memory in use",
          "selector.train.device:peak_memory_gib", devices=""),
    _fact("width", "slots", "", "of the bank that trained it"),
    _fact("threads", "threads", "", "of the CPU"),
    _fact("device_celsius", "degrees Celsius", "", "the GPU's highest temperature",
          _TELEMETRY, devices=""),
    _fact("device_celsius_mean", "degrees Celsius", "", "its mean temperature",
          _TELEMETRY, devices=""),
    _fact("device_watts", "W", "", "its mean power", _TELEMETRY, devices=""),
    _fact("device_joules", "J", "lower", "energy of the whole GPU in the run's seconds",
          _TELEMETRY, devices=""),
    _fact("throttled_share", "share", "", "looks at which heat or a brake held its clocks down",
          _TELEMETRY, devices=""),
)  # fmt: skip
_PATTERNS = {re.compile(re.escape(item.name).replace(r"\*", r"\d+")): item for item in METRICS}


def find(name: str) -> Metric | None:
    """The metric that is reported as `name`; None where no run of the built-in trainer has it."""
    return next((item for form, item in _PATTERNS.items() if form.fullmatch(name)), None)


def better_for(metric: Metric, differing: Collection[str]) -> Metric | None:
    """The metric to use instead of `metric` where runs differ so; None where none can be compared.

    `differing` are keys of DIFFERENCES.
    """
    for difference in differing:
        other = find(metric.unlike.get(difference, ""))
        if other is not None and not other.unlike.keys() & set(differing):
            return other
    return None
