"""The typed configuration of one run, and of the study around it: frozen, keyword-only, checked.

A value object here cannot exist wrong: every number is finite and inside its limits (see
`limits.py`), every closed choice is one of its options. `decode.py` builds these from plain
mappings and collects every mistake with its dotted key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from selector.config import limits

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]

#: The parts of a run's configuration, in the order in which they are shown.
PARTS = (
    "model",
    "optimizer",
    "schedule",
    "objective",
    "data",
    "batch",
    "regularization",
    "compute",
)
#: The groups of `conf/`: the parts, and what a study adds to them.
GROUPS = (*PARTS, "sampler", "budget", "launcher", "tracker")


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One option of a one-of axis whose values are its own: an optimizer, a schedule, a sampler."""

    name: str
    """The option's name in `conf/<axis>/` and in the dict of implementations."""
    version: int = 1
    """Raised when the mathematics changes; part of every fingerprint."""
    banked: bool = True
    """Whether the implementation is vectorized over the slots of a bank."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The technique's own settings, by their names in its YAML file."""

    def __post_init__(self) -> None:
        """Freeze the values and refuse those outside their limits."""
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        limits.refuse(self.values)

    def __getitem__(self, key: str) -> Any:
        """The setting called `key`."""
        return self.values[key]


@dataclass(frozen=True, kw_only=True)
class Model:
    """The shape of a decoder-only transformer in GPT-2 style."""

    name: str
    """The preset's name; a label, not part of the fingerprint."""
    version: int = 1
    """Raised when the mathematics changes."""
    family: Literal["gpt"] = "gpt"
    """Which implementation in `selector.train.model` builds it."""
    depth: int
    """Number of transformer blocks."""
    width: int
    """Size of the residual stream; a multiple of `heads`."""
    heads: int
    """Attention heads in each block."""
    mlp_ratio: int = 4
    """Hidden size of the feed-forward layer divided by `width`."""
    activation: Literal["gelu", "relu", "relu2"] = "gelu"
    """Nonlinearity of the feed-forward layer; relu2 is the square of relu."""
    bias: bool = True
    """Whether linear layers and layer norms have bias vectors."""
    tied_embeddings: bool = True
    """Whether the output projection is the token embedding's transpose."""
    qk_norm: bool = False
    """Whether queries and keys are normalized to unit root mean square before attention."""

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built."""
        limits.refuse(vars(self))
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads ({self.heads})")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a run is trained to do, and the metric that judges it."""

    name: str
    """The option's name in `conf/objective/`."""
    version: int = 1
    """Raised when the mathematics changes; a function's owner raises it likewise."""
    kind: Literal["causal_lm", "function", "replay"] = "causal_lm"
    """Which runner executes it: the built-in trainer, a function of the user's, or a table."""
    metric: str
    """Name of the reported metric whose last value is the run's value."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Whether a smaller or a larger value of the metric is better."""
    evaluations: int = 8
    """How often the validation part is evaluated in a run, the last step included."""
    evaluation_tokens: int = 32_768
    """At most this many tokens of a part are evaluated; the whole part where it is smaller."""
    function: str = ""
    """`package.module:function` for `kind: function`; importing it runs the user's code."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """The user's function's own settings, or a replay's: what selects rows of its table."""
    table: str = ""
    """For `kind: replay`: a CSV file of results, .gz too; one row is one run."""
    fingerprint: str = ""
    """Hash of the table's content; written when the table is checked."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Parameter or metric -> its column, where that has another name."""
    lookup: Literal["nearest", "interpolate"] = "nearest"
    """The nearest row, or a smooth model through the rows that agree in all but scaled numbers."""
    scales: Mapping[str, Literal["log", "linear", "exact"]] = field(default_factory=dict)
    """How a parameter that is a number finds its rows; what is tuned gets its range's scale, what
    is not tuned is matched exactly."""
    horizon: str = ""
    """Column that holds the length of a row's run; a run takes the rows nearest to its own."""
    horizon_tokens: float = 1.0
    """Training tokens in one unit of the horizon's column."""
    noise: float | Literal["rows"] = "rows"
    """Standard deviation between seeds; rows: that of repeated rows."""

    def __post_init__(self) -> None:
        """Freeze the mappings and refuse numbers outside their limits."""
        for name in ("parameters", "columns", "scales"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        limits.refuse({**vars(self), "parameters": None})
        limits.refuse_not_finite(self.parameters)
        if self.kind == "function" and ":" not in self.function:
            raise ValueError(f"function: expected 'package.module:function', got {self.function!r}")
        if self.kind == "replay":
            self._refuse_replay()

    def _refuse_replay(self) -> None:
        known = {*self.parameters, self.metric}
        mistakes = [
            *(["table: expected the path of a CSV file, got ''"] if not self.table else []),
            *(
                f"scales.{name}: expected log, linear or exact, got {scale!r}"
                for name, scale in self.scales.items()
                if scale not in ("log", "linear", "exact")
            ),
            *(
                f"{group}.{name}: is no parameter; there are {', '.join(sorted(known)) or 'none'}"
                for group in ("columns", "scales")
                for name in getattr(self, group)
                if name not in known
            ),
        ]
        if mistakes:
            raise ValueError("\n".join(mistakes))


@dataclass(frozen=True, kw_only=True)
class Data:
    """The text a run reads, how it is cut into tokens, and how it is split."""

    name: str
    """The option's name in `conf/data/`."""
    version: int = 1
    """Raised when the preparation changes what a run reads."""
    source: Literal["stdlib", "text"]
    """The running Python's standard library, or the user's files."""
    paths: tuple[str, ...] = ()
    """Files and folders, for `source: text`."""
    tokenizer: Literal["byte"] = "byte"
    """How text becomes tokens; byte: one token a UTF-8 byte."""
    validation_share: float = 0.05
    """Share of the text that judges runs."""
    test_share: float = 0.05
    """Share of the text that only verdict runs read, once, at their end; 0 turns it off."""
    vocabulary: int = 256
    """Number of distinct tokens; follows from the tokenizer."""
    fingerprint: str = ""
    """Hash of the prepared tokens and their split; written when the data is prepared."""

    def __post_init__(self) -> None:
        """Refuse splits that leave nothing to train on, and text without a path."""
        limits.refuse(vars(self))
        if self.validation_share + self.test_share > 0.9:
            raise ValueError(
                f"validation_share, test_share: {self.validation_share} and {self.test_share}"
                " leave less than a tenth of the text to train on"
            )
        if self.validation_share == 0:
            raise ValueError("validation_share: 0 leaves nothing to judge a run by")
        if self.source == "text" and not self.paths:
            raise ValueError("paths: expected files or folders, got none")
        if self.source == "stdlib" and self.paths:
            raise ValueError("paths: has no effect on the standard library; add data=text")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How many tokens one optimizer step sees."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    micro_batch: int
    """Sequences in one forward pass."""
    accumulation: int = 1
    """Forward passes whose gradients are averaged into one step."""
    context: int
    """Tokens in a sequence."""

    def __post_init__(self) -> None:
        """Refuse sizes below one."""
        limits.refuse(vars(self))

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step sees."""
        return self.micro_batch * self.accumulation * self.context


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """Independent switches against overfitting and instability; 0 turns each of them off."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    version: int = 1
    """Raised when the mathematics changes."""
    dropout: float = 0.0
    """Share of activations dropped after the embedding and in each residual branch."""
    grad_clip: float = 1.0
    """Largest Euclidean norm of the whole gradient."""
    label_smoothing: float = 0.0
    """Share of the target's probability spread over the vocabulary, in training only."""
    z_loss: float = 0.0
    """Weight of the squared log-partition function, in training only (arXiv 2204.02311)."""

    def __post_init__(self) -> None:
        """Refuse values outside their limits."""
        limits.refuse(vars(self))


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and in which arithmetic a run trains."""

    name: str = "default"
    """The preset's name; a label, not part of the fingerprint."""
    device: str = "auto"
    """`auto`: the worker's accelerator where it has one, else the CPU; or cpu, cuda, mps."""
    precision: Literal["fp32"] = "fp32"
    """Arithmetic of the forward and backward pass."""

    def __post_init__(self) -> None:
        """Refuse devices that torch has no name for."""
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            raise ValueError(
                f"device: expected auto, cpu, cuda, cuda:N, mps or xpu, got {self.device!r}"
            )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what one run computes, but its seed and its length in tokens."""

    model: Model
    optimizer: Technique
    schedule: Technique
    objective: Objective
    data: Data
    batch: Batch
    regularization: Regularization
    compute: Compute

    @property
    def built_in(self) -> bool:
        """Whether selector's own trainer runs it: then model, tokens and FLOPs mean something."""
        return self.objective.kind not in ("function", "replay")

    def steps(self, tokens: int) -> int:
        """Optimizer steps in a run of `tokens` tokens: whole steps, at least one."""
        return max(1, tokens // self.batch.tokens_per_step)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a study may spend; counts may grow when it goes on, tokens may not."""

    name: str = "custom"
    """The preset's name; a label."""
    trials: int
    """Configurations tried in each sub-search."""
    replicates: int
    """Independent sub-searches in each arm, at the first look at the evidence."""
    most_replicates: int = 0
    """Where the first look does not settle the question, sub-searches are added up to this many
    in each arm; at most `replicates`: there is one look."""
    stop_when_clear: bool = True
    """Whether a study ends at the first look where that settles its question."""
    screen: int = 0
    """The best trials of each sub-search that are trained once more, on a screening seed, before
    one of them becomes the finalist; 0 turns it off."""
    verdict_seeds: int
    """Fresh seeds on which each sub-search's finalist is trained again."""
    extensions: int = 0
    """How often a range is extended where an arm's best settings lie at its edge."""
    rungs: Literal["never", "auto", "always"] = "never"
    """Whether trials are first trained for a third of their length, and only the best of them
    for all of it; auto: where that is known not to mislead."""
    branch: bool = False
    """Whether a trial that goes on after its rung starts from the rung's state just before its
    decay instead of from the beginning; needs rungs and a schedule that stays at its peak. The
    rung then warms up for as many steps as the whole run does."""
    tokens: int
    """Training tokens of every run; of the first arm's, where `fair` gives the others as many
    FLOPs or seconds."""
    epochs: float = 0.0
    """Instead of `tokens`: passes over the training part of the first arm's text; 0: `tokens`
    counts."""
    flops: float = 0.0
    """Instead of `tokens`: floating-point operations of a run of the first arm, by formula; 0:
    `tokens` counts."""
    hours: float = 0.0
    """Wall-clock time of one command after which no more runs are started; 0: no limit."""
    device_hours: float = 0.0
    """Time of all runs of a study together after which no more are started; 0: no limit."""

    def __post_init__(self) -> None:
        """Refuse counts below one, and two lengths at once."""
        limits.refuse(vars(self))
        if self.epochs and self.flops:
            raise ValueError(
                f"epochs, flops: expected one of them, got {self.epochs} and {self.flops}"
            )

    @property
    def length(self) -> tuple[str, float]:
        """The length of a run in the words in which it counts: (tokens, epochs or flops; value)."""
        if self.epochs:
            return "epochs", self.epochs
        return ("flops", self.flops) if self.flops else ("tokens", self.tokens)

    @property
    def looks(self) -> tuple[int, ...]:
        """Sub-searches in each arm at each look at the evidence, the last one last."""
        return (self.replicates, *[self.most_replicates][: self.most_replicates > self.replicates])


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Where runs happen."""

    name: Literal["inline", "local"] = "local"
    """inline: this process, one run at a time. local: warm worker processes."""
    workers: int | Literal["auto"] = "auto"
    """Worker processes; auto: one for each GPU, or one for each CPU core."""
    pause_above_celsius: float = 0.0
    """Runs wait while their NVIDIA GPU is hotter than this; 0: they never wait."""

    def __post_init__(self) -> None:
        """Refuse fewer than one worker."""
        limits.refuse(vars(self))


@dataclass(frozen=True, kw_only=True)
class Track:
    """Which mirror of the results people browse."""

    name: Literal["mlflow", "none"] = "mlflow"
    """mlflow: an MLflow store; none: the trial folders alone."""
    uri: str = ""
    """MLflow's tracking URI; empty: the store in the runs folder."""
