"""The launcher's seam: submit runs, poll events, stop a run, say how much room there is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from selector.track.run import Ended, Run


@dataclass(frozen=True, kw_only=True)
class Started:
    """A worker has begun the run."""

    key: str


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A run's metrics after some optimizer steps."""

    key: str
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run is over."""

    key: str
    ended: Ended


Event = Started | Reported | Finished


class Launcher(ABC):
    """Runs runs somewhere. The controller is its only caller, from one thread.

    Every submitted run ends in exactly one `Finished`, whatever happens to its worker: one whose
    worker died ends as `Outcome.LOST`.
    """

    @abstractmethod
    def room(self) -> int:
        """How many more runs can be submitted now."""

    @abstractmethod
    def submit(self, run: Run) -> None:
        """Take a run; call only while there is room."""

    @abstractmethod
    def poll(self, seconds: float) -> list[Event]:
        """Events since the last call, in order for each run; waits up to `seconds` for one."""

    def stop(self, key: str) -> None:  # noqa: B027 - optional: a launcher may have nothing to stop
        """Ask the run to end early; it ends as `Outcome.STOPPED` unless it was already over."""

    def close(self) -> None:  # noqa: B027 - optional
        """End all workers and whatever they still run."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
