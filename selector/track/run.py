"""The words that every later stage shares: a trial, a run, how it ended, what it reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from selector.config.identity import config_fingerprint, run_fingerprint
from selector.config.schema import RunConfig
from selector.config.secrets import redacted
from selector.config.technique import Value

#: The fact of a result that another study's run gave: where it was made.
TAKEN_OVER = "taken_over"


class Stage(StrEnum):
    """Why a run is made."""

    PILOT = "pilot"
    RUNG1 = "rung1"
    EXPLORE = "explore"
    SCREEN = "screen"
    VERDICT = "verdict"
    RERUN = "rerun"
    SINGLE = "single"


class Outcome(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One configuration proposed in a sub-search."""

    number: int
    """Study-wide, from 1."""
    arm: str
    sub_search: int
    """Which of the arm's independent searches proposed it, from 0."""
    index: int
    """Its place in the sub-search, from 0."""
    values: Mapping[str, Value]
    """What was tuned: dotted key -> value."""
    config: RunConfig
    given: bool = False
    """Whether a person gave its values, in the place of a point of the sampler."""

    @cached_property
    def fingerprint(self) -> str:
        """The configuration's fingerprint."""
        return config_fingerprint(self.config)

    @property
    def folder(self) -> str:
        """The trial's folder name; numbers sort as text."""
        return f"{self.number:05d}-{self.fingerprint}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of a configuration with one seed at one stage: what a worker is asked to do."""

    key: str
    """Unique in the study; the run's folder relative to the study's folder."""
    config: RunConfig
    stage: str
    seed: int
    tokens: int
    """Length of the run in training tokens."""
    folder: Path | None = None
    """Where the worker may write (log.txt, checkpoint/, a user's files); None: nowhere."""
    data_folder: Path | None = None
    """Where prepared data sets are found, by fingerprint."""
    trunk_for: int = 0
    """Length in tokens of a longer run that may continue this one: this one warms up for as many
    steps as that, and leaves in its folder the state up to which both are the same; 0: none."""
    branch: Path | None = None
    """Folder of a shorter run of the same configuration and seed that was made with `trunk_for`
    this length: training starts from the state it left. None: from the beginning."""
    checkpoint_seconds: float = 0.0
    """How often the worker leaves a state in `folder` from which the run can go on; 0: never. Where
    one is there already, left by an earlier attempt, the run goes on from it."""

    @property
    def fingerprint(self) -> str:
        """The run's fingerprint; where it starts from changes no result and is not part of it."""
        return run_fingerprint(
            self.config,
            seed=self.seed,
            stage=self.stage,
            tokens=self.tokens,
            trunk_for=self.trunk_for,
        )


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended, as its worker or launcher saw it."""

    outcome: Outcome
    steps: int = 0
    seconds: float = 0.0
    """Time spent training and evaluating, without waiting for a worker."""
    error: str = ""
    """For people: what went wrong, the last lines of the traceback."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Where it ran and how large it was: device, width, threads, versions, parameters, flops."""

    def __post_init__(self) -> None:
        """Hide secrets: from here the error goes to the record, the mirror and the report."""
        object.__setattr__(self, "error", redacted(self.error))


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a sub-search's sampler was told about a trial."""

    state: str
    """complete or fail."""
    value: float | None
    constraint: float
    """At most 0 where the trial was feasible: -1.0, or 1.0 where it failed."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run that is over, as stored in result.json."""

    outcome: Outcome
    value: float | None
    """Last reported value of the study's metric; None where the run did not complete."""
    metrics: Mapping[str, float]
    """Last reported value of every metric."""
    steps: int
    seconds: float
    error: str
    facts: Mapping[str, Any]
    told: Told | None = None
    """For explore runs: what the sampler was told."""


class Reporter(Protocol):
    """Where a run's events go while it trains; a worker's runner and trainer call it."""

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of the run `key` after `step` optimizer steps."""

    def end(self, key: str, ended: Ended) -> None:
        """The run `key` is over; nothing is reported for it afterwards."""

    def should_stop(self, key: str) -> bool:
        """Whether somebody asked the run `key` to end early."""
