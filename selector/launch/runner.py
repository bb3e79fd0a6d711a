"""The seam inside a worker: what executes runs there. `RUNNERS` lists the kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from selector.track.run import Reporter, Run


class Runner(ABC):
    """Executes runs of one fuse key and reports their events; it writes no record itself."""

    @abstractmethod
    def run(self, runs: Sequence[Run], reporter: Reporter, device: str) -> None:
        """Execute `runs`, side by side where it can; each ends in exactly one `reporter.end`.

        An exception that leaves this method is the fault of a run only when `runs` holds one.
        """


def _bank() -> Runner:
    from selector.launch.bank import BankRunner

    return BankRunner()


def _function() -> Runner:
    from selector.launch.function import FunctionRunner

    return FunctionRunner()


def _replay() -> Runner:
    from selector.launch.replay import TableRunner

    return TableRunner()


#: By `objective.kind` of a run's configuration; imported when needed.
RUNNERS: dict[str, Callable[[], Runner]] = {
    "causal_lm": _bank,
    "function": _function,
    "replay": _replay,
}


def runner_for(run: Run) -> Runner:
    """The runner that the run's configuration asks for."""
    return RUNNERS[run.config.objective.kind]()
