"""Runners that train nothing: one looks runs up in a table, one plays back given rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from selector.errors import DataError
from selector.launch.lookup import lookup_for
from selector.launch.runner import Runner
from selector.track.run import Ended, Outcome, Reporter, Run

#: What a run reports, in order: (step, metrics).
Rows = Sequence[tuple[int, Mapping[str, float]]]


class TableRunner(Runner):
    """Reports, for a run of `objective=replay`, the value that its table has for it."""

    def run(self, runs: Sequence[Run], reporter: Reporter, device: str) -> None:
        """Look the runs up, one after another."""
        for run in runs:
            reporter.end(run.key, _looked_up(run, reporter, device))


class ReplayRunner(Runner):
    """Reports given rows as if a run had produced them: for simulators and tests.

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


def _looked_up(run: Run, reporter: Reporter, device: str) -> Ended:
    """Report the table's value at the run's last step: its length in the table, else 1.

    It takes no seconds: how long a look-up takes would be mistaken for what a training costs.

    Raises:
        DataError: the table has changed since the study began, or has no such row.
    """
    objective = run.config.objective
    lookup = lookup_for(objective)
    if objective.fingerprint not in ("", lookup.table.fingerprint):
        raise DataError(
            f"{objective.table}: has changed since the study began (its content was"
            f" {objective.fingerprint}, now {lookup.table.fingerprint})"
        )
    found = lookup.at(objective.parameters, run.tokens, run.seed)
    step = max(1, round(found.horizon or 1))
    if reporter.should_stop(run.key):
        return Ended(outcome=Outcome.STOPPED, facts={"device": device})
    reporter.report(run.key, step, {objective.metric: found.value})
    return Ended(
        outcome=Outcome.COMPLETE if math.isfinite(found.value) else Outcome.DIVERGED,
        steps=step,
        error="" if math.isfinite(found.value) else f"{objective.metric} is {found.value} there",
        facts={"device": device},
    )
