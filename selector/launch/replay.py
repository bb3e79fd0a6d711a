"""The runner that trains nothing: it plays back rows, for simulators and tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from selector.launch.runner import Runner
from selector.track.run import Ended, Outcome, Reporter, Run

#: What a run reports, in order: (step, metrics).
Rows = Sequence[tuple[int, Mapping[str, float]]]


class ReplayRunner(Runner):
    """Reports given rows as if a run had produced them.

    Args:
        rows: By run key or run fingerprint, or a function of the run. A run that a mapping does
            not hold ends as crashed.
        outcome: How runs end that nobody stopped, or a function of the run.
    """

    def __init__(
        self,
        rows: Mapping[str, Rows] | Callable[[Run], Rows] = {},  # noqa: B006 - never written to
        outcome: Outcome | Callable[[Run], Outcome] = Outcome.COMPLETE,
    ) -> None:
        self._rows = rows
        self._outcome = outcome

    def run(self, runs: Sequence[Run], reporter: Reporter, device: str) -> None:
        """Play the runs back, one after another."""
        for run in runs:
            reporter.end(run.key, self._play(run, reporter, device))

    def _play(self, run: Run, reporter: Reporter, device: str) -> Ended:
        rows = self._rows_of(run)
        if rows is None:
            text = f"nothing to replay for run {run.key!r} (fingerprint {run.fingerprint})"
            return Ended(outcome=Outcome.CRASHED, error=text)
        begin, steps = time.perf_counter(), 0
        outcome = self._outcome(run) if callable(self._outcome) else self._outcome
        for step, metrics in rows:
            if reporter.should_stop(run.key):
                outcome = Outcome.STOPPED
                break
            reporter.report(run.key, step, metrics)
            steps = step
        seconds = time.perf_counter() - begin
        return Ended(outcome=outcome, steps=steps, seconds=seconds, facts={"device": device})

    def _rows_of(self, run: Run) -> Rows | None:
        if callable(self._rows):
            return self._rows(run)
        return self._rows.get(run.key, self._rows.get(run.fingerprint))
