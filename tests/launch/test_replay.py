from __future__ import annotations

import pytest

from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner
from selector.track.run import Outcome
from tests.contracts.launcher import drain, ended
from tests.contracts.runner import Notes, RunnerCase, RunnerContract
from tests.launch.examples import function_run

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
