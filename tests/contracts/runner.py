"""What every runner must do. Subclass it and supply the fixture `case`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from selector.launch.runner import Runner
from selector.track.run import Ended, Outcome, Run


@dataclass(kw_only=True)
class RunnerCase:
    """A runner, and a maker of runs (by key) that it completes, reporting at least twice."""

    runner: Runner
    run: Callable[[str], Run]
    metric: str
    device: str = "cpu"


@dataclass
class Notes:
    """A reporter that remembers, and asks a run to stop after so many reports."""

    stop_after: Mapping[str, int] = field(default_factory=dict)
    rows: list[tuple[str, int, Mapping[str, float]]] = field(default_factory=list)
    ends: list[tuple[str, Ended]] = field(default_factory=list)

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        assert key not in dict(self.ends), f"{key} reported after its end"
        self.rows.append((key, step, metrics))

    def end(self, key: str, ended: Ended) -> None:
        self.ends.append((key, ended))

    def should_stop(self, key: str) -> bool:
        return sum(row[0] == key for row in self.rows) >= self.stop_after.get(key, math.inf)


@pytest.mark.timeout(60)
class RunnerContract:
    """Properties of any runner."""

    @pytest.fixture
    def case(self) -> RunnerCase:
        """The runner under test."""
        raise NotImplementedError

    def test_each_run_ends_once_and_completes(self, case: RunnerCase) -> None:
        notes = Notes()
        case.runner.run([case.run("a"), case.run("b")], notes, case.device)
        assert sorted(key for key, _ in notes.ends) == ["a", "b"]
        assert {end.outcome for _, end in notes.ends} == {Outcome.COMPLETE}
        assert all(end.error == "" and end.seconds >= 0 for _, end in notes.ends)

    def test_steps_grow_and_the_last_one_is_the_run_s(self, case: RunnerCase) -> None:
        notes = Notes()
        case.runner.run([case.run("a")], notes, case.device)
        steps = [step for _, step, _ in notes.rows]
        assert len(steps) >= 2
        assert steps == sorted(steps)
        assert notes.ends[0][1].steps == steps[-1]

    def test_metrics_are_numbers_and_the_study_s_is_among_them(self, case: RunnerCase) -> None:
        notes = Notes()
        case.runner.run([case.run("a")], notes, case.device)
        for _, _, metrics in notes.rows:
            assert all(type(value) in (int, float) for value in metrics.values())
        last = {name: value for _, _, metrics in notes.rows for name, value in metrics.items()}
        assert math.isfinite(last[case.metric])

    def test_one_run_is_stopped_and_its_neighbour_is_not(self, case: RunnerCase) -> None:
        notes = Notes(stop_after={"a": 1})
        case.runner.run([case.run("a"), case.run("b")], notes, case.device)
        ends = dict(notes.ends)
        assert ends["a"].outcome is Outcome.STOPPED
        assert ends["b"].outcome is Outcome.COMPLETE
        assert ends["a"].steps < ends["b"].steps

    def test_the_same_run_again_reports_the_same(self, case: RunnerCase) -> None:
        first, second = Notes(), Notes()
        for notes in (first, second):
            case.runner.run([case.run("a")], notes, case.device)
        name = case.metric
        values = [[row[2].get(name) for row in notes.rows] for notes in (first, second)]
        assert values[0] == values[1]
