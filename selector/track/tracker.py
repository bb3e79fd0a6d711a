"""The seam of the mirror that people browse, with its null and in-memory implementations.

A tracker is told what the record already holds, and may read the run's folder instead of listening.
It never raises and never blocks: training does not stop or slow down because a server is away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selector.track.record import StoredRun
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

    def earlier(  # noqa: B027 - optional
        self, study: str, runs: Iterable[StoredRun], arms: Sequence[str]
    ) -> None:
        """Runs of before this command, and the study's arms: complete what an earlier one did not.

        Told before the first run of the study starts.
        """

    def artifacts(self, study: str, paths: Sequence[Path]) -> None:  # noqa: B027 - optional
        """Files of the whole study: the report and the recommended configuration."""

    def close(
        self,
        seconds: float = 30.0,
        *,
        interrupted: Callable[[], bool] = lambda: False,
        on_notice: Callable[[str], None] = lambda text: None,
    ) -> str:
        """Deliver what is waiting, for at most `seconds`; returns what a person should know.

        It ends at once where `interrupted` says so, or at Ctrl-C; `on_notice` is told of a wait.
        """
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
