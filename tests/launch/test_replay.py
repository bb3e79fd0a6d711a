from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selector.launch.base import Reported
from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner, TableRunner
from selector.track.run import Outcome, Run
from tests.contracts.launcher import drain, ended
from tests.contracts.runner import Notes, RunnerCase, RunnerContract
from tests.launch.examples import function_run
from tests.launch.tables import objective, write

ROWS = [(step, {"loss": 1.0 / step}) for step in (1, 2, 5)]


class TestReplayRunner(RunnerContract):
    @pytest.fixture
    def case(self) -> RunnerCase:
        return RunnerCase(
            runner=ReplayRunner(lambda run: ROWS),
            run=lambda key: function_run(key, "learns"),
            metric="loss",
        )


def test_rows_are_found_by_key_or_by_fingerprint() -> None:
    run = function_run("a", "learns")
    for key in (run.key, run.fingerprint):
        notes = Notes()
        ReplayRunner({key: ROWS}).run([run], notes, "cpu")
        assert [(step, metrics) for _, step, metrics in notes.rows] == ROWS


def test_a_run_that_is_not_there_crashed() -> None:
    notes = Notes()
    ReplayRunner({"b": ROWS}).run([function_run("a", "learns")], notes, "cpu")
    assert notes.ends[0][1].outcome is Outcome.CRASHED
    assert "nothing to replay for run 'a'" in notes.ends[0][1].error


@pytest.mark.parametrize("outcome", list(Outcome))
def test_it_ends_as_told_in_a_launcher(outcome: Outcome) -> None:
    with InlineLauncher(lambda run: ReplayRunner(lambda run: ROWS, outcome)) as launcher:
        launcher.submit(function_run("a", "learns"))
        assert ended(drain(launcher, {"a"}), "a").outcome is outcome


def table_run(path: Path, **changes: Any) -> Run:
    config = replace(function_run("a", "learns").config, objective=objective(path, **changes))
    return Run(key="a", config=config, stage="explore", seed=7, tokens=100)


def test_a_run_of_a_table_reports_its_row_and_takes_no_time(tmp_path: Path) -> None:
    with InlineLauncher() as launcher:
        launcher.submit(table_run(write(tmp_path)))
        events = drain(launcher, {"a"})
    assert [event.metrics for event in events if isinstance(event, Reported)] == [{"loss": 2.8}]
    end = ended(events, "a")
    assert (end.outcome, end.steps, end.seconds) == (Outcome.COMPLETE, 100, 0.0)


def test_a_row_that_is_not_finite_diverged(tmp_path: Path) -> None:
    parameters = {"schedule": "constant", "lr": 0.1}
    notes = Notes()
    TableRunner().run([table_run(write(tmp_path), parameters=parameters)], notes, "cpu")
    assert notes.ends[0][1].outcome is Outcome.DIVERGED
    assert "loss is nan" in notes.ends[0][1].error


def test_a_table_that_changed_since_the_study_began_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    with InlineLauncher() as launcher:
        launcher.submit(table_run(path, fingerprint="0123456789ab"))
        end = ended(drain(launcher, {"a"}), "a")
    assert end.outcome is Outcome.CRASHED
    assert end.error.startswith(f"{path}: has changed since the study began")


def test_a_run_that_is_asked_to_stop_reports_nothing(tmp_path: Path) -> None:
    notes = Notes(stop_after={"a": 0})
    TableRunner().run([table_run(write(tmp_path))], notes, "cpu")
    assert notes.rows == []
    assert notes.ends[0][1].outcome is Outcome.STOPPED
