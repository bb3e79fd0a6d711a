"""The seam of the mirror that people browse, with its null and in-memory implementations.

A tracker is told what the record already holds. It never raises and never blocks: training does
not stop or slow down because a server is away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selector.track.run import Result, Run, Trial


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run belongs to, as people browse it."""

    study: str
    arm: str = ""
    """The parent that the run is filed under; empty: none."""
    trial: Trial | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """Further labels, such as the run that a rerun repeats."""


class Tracker(ABC):
    """Mirrors runs. Calls for one run come in the order started, reported …, ended."""

    @abstractmethod
    def started(self, run: Run, origin: Origin) -> None:
        """A run has begun; told again for the same key, it continues the same mirrored run."""

    @abstractmethod
    def reported(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of a run after `step` optimizer steps."""

    @abstractmethod
    def ended(self, key: str, result: Result) -> None:
        """A run is over."""

    def artifacts(self, study: str, paths: Sequence[Path]) -> None:  # noqa: B027 - optional
        """Files of the whole study: the report and the recommended configuration."""

    def close(self, seconds: float = 30.0) -> str:
        """Deliver what is waiting, for at most `seconds`; returns what a person should know."""
        return ""


class NullTracker(Tracker):
    """Mirrors nothing: the trial folders are the truth anyway."""

    def started(self, run: Run, origin: Origin) -> None:
        """Ignore it."""

    def reported(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Ignore it."""

    def ended(self, key: str, result: Result) -> None:
        """Ignore it."""


class MemoryTracker(Tracker):
    """Keeps what it was told in `runs`: for tests, and for looking at a study in a notebook."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.files: list[Path] = []

    def started(self, run: Run, origin: Origin) -> None:
        """Remember the run; what an earlier start of it reported is kept."""
        self.runs.setdefault(run.key, {"metrics": {}, "result": None}).update(
            run=run, origin=origin
        )

    def reported(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Remember the metrics by (name, step): telling them twice changes nothing."""
        self.runs[key]["metrics"].update({(name, step): value for name, value in metrics.items()})

    def ended(self, key: str, result: Result) -> None:
        """Remember the result."""
        self.runs[key]["result"] = result

    def artifacts(self, study: str, paths: Sequence[Path]) -> None:
        """Remember the paths."""
        self.files.extend(paths)
