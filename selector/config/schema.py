"""The typed configuration of one run, and of the study around it: frozen, keyword-only, checked.

A value object here cannot exist wrong: every number is finite and inside its limits (see
`limits.py`), every closed choice is one of its options. `decode.py` builds these from plain
mappings and collects every mistake with its dotted key.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from selector.config import limits, parametrization, regularization
from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.ramp import tokens_read, total_steps
from selector.config.regularization import Regularization
from selector.config.secrets import password_in, refuse_variable, value_of
from selector.config.technique import Technique

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

    def __post_init__(self) -> None:
        """Refuse parts that do not go together."""
        found = [
            *parametrization.mistakes(self.model, self.optimizer),
            *regularization.mistakes(self.regularization, self.optimizer),
        ]
        if self.built_in and found:
            raise ValueError("\n".join(found))

    @property
    def built_in(self) -> bool:
        """Whether selector's own trainer runs it: then model, tokens and FLOPs mean something."""
        return self.objective.kind not in ("function", "replay")

    @property
    def banked(self) -> bool:
        """Whether it may train beside others as a slot of one bank."""
        return self.optimizer.banked and self.schedule.banked

    def steps(self, tokens: int) -> int:
        """Optimizer steps in a run of `tokens` tokens: whole steps, at least one."""
        return total_steps(self.batch, tokens)

    def tokens_read(self, tokens: int, steps: int) -> int:
        """What the first `steps` steps of a run of `tokens` tokens read."""
        return tokens_read(self.batch, tokens, steps)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Where runs happen."""

    name: Literal["inline", "local"] = "local"
    """inline: this process, one run at a time. local: warm worker processes."""
    workers: int | Literal["auto"] = "auto"
    """Worker processes; auto: one for each GPU, or one for each CPU core."""
    pause_above_celsius: float = 0.0
    """Runs wait while their NVIDIA GPU is hotter than this; 0: they never wait."""
    checkpoint_seconds: float = 60.0
    """How often a run leaves a state from which it can go on; 0: never."""
    run_seconds: float = 0.0
    """A run that takes longer is ended, and counts as `timeout`; 0: none is."""
    silent_seconds: float = 600.0
    """So is one that says nothing for so long; 0: none is. The built-in trainer is heard of every
    second, or after a longer step; before its first word, while it compiles, it has three times as
    long, and later three times its own longest silence. A user's function counts from its first
    `run.report` or `run.should_stop`: one that calls neither can only be ended by `run_seconds`."""
    memory_gib: float = 0.0
    """A run whose worker, with all it has started, holds more resident memory is ended, and counts
    as `out_of_memory`; 0: none is. It is the host's memory, not the device's; pages that workers
    share, PyTorch above all, count for each of them, as in `top`."""
    total_memory_gib: float = 0.0
    """Of all runs together: so few workers that each can have `memory_gib`; 0: no matter."""

    def __post_init__(self) -> None:
        """Refuse fewer than one worker, and limits that nothing would keep."""
        limits.refuse(vars(self))
        mistakes = []
        if self.total_memory_gib and not 0 < self.memory_gib <= self.total_memory_gib:
            mistakes.append(
                f"memory_gib: expected a limit of each run, at most total_memory_gib="
                f"{self.total_memory_gib:g}, got {self.memory_gib:g}"
            )
        if self.name == "inline":
            watched = ("run_seconds", "silent_seconds", "memory_gib", "total_memory_gib")
            defaults = {item.name: item.default for item in fields(self)}
            mistakes += [
                f"{name}: expected 0, nothing watches inline runs"
                for name in watched
                if getattr(self, name) not in (0, defaults[name])
            ]
            if self.workers not in (1, "auto"):
                mistakes.append(f"workers: expected 1, inline runs have none, got {self.workers}")
        if mistakes:
            raise ValueError("\n".join(mistakes))

    @property
    def most_workers(self) -> int:
        """So many fit into `total_memory_gib`; 0: it sets no bound."""
        return int(self.total_memory_gib // self.memory_gib) if self.total_memory_gib else 0


@dataclass(frozen=True, kw_only=True)
class Track:
    """Which mirror of the results people browse."""

    name: Literal["mlflow", "none"] = "mlflow"
    """mlflow: an MLflow store; none: the trial folders alone."""
    uri: str = ""
    """MLflow's tracking URI; empty: the store in the runs folder."""
    uri_variable: str = ""
    """The environment variable that holds the URI, where there is a password in it."""

    def __post_init__(self) -> None:
        """Refuse an address that would be stored with its password."""
        if password_in(self.uri):
            raise ValueError(
                "uri: holds a password, which would be stored; expected an address without one."
                " tracker.uri_variable=NAME names an environment variable that holds the whole of"
                " it; a server also takes MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        if self.uri and self.uri_variable:
            raise ValueError("uri, uri_variable: expected one of the two")
        refuse_variable("uri_variable", self.uri_variable)

    def address(self) -> str:
        """The tracking URI, looked up now; empty: the store in the runs folder.

        Raises:
            ConfigError: the variable is not set.
        """
        return value_of("tracker.uri_variable", self.uri_variable) or self.uri
