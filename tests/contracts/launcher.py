"""What every launcher must do. Subclass it and supply the fixture `launcher`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.track.run import Ended, Outcome
from tests.launch.examples import function_run

LIMIT_SECONDS = 30.0


def drain(launcher: Launcher, keys: set[str], seconds: float = LIMIT_SECONDS) -> list[Event]:
    """Poll until every run of `keys` has finished."""
    events: list[Event] = []
    deadline = time.monotonic() + seconds
    while keys - {event.key for event in events if isinstance(event, Finished)}:
        assert time.monotonic() < deadline, f"not finished in {seconds} s: {events}"
        events += launcher.poll(0.5)
    return events


def ended(events: list[Event], key: str) -> Ended:
    """How the run `key` ended; it must have done so once."""
    (end,) = [event.ended for event in events if isinstance(event, Finished) and event.key == key]
    return end


@pytest.mark.timeout(60)
class LauncherContract:
    """Properties of any launcher, shown with runs of functions."""

    @pytest.fixture
    def launcher(self) -> Iterator[Launcher]:
        """An open launcher that is closed afterwards."""
        raise NotImplementedError

    def test_a_run_starts_reports_in_order_and_finishes_once(self, launcher: Launcher) -> None:
        assert launcher.room() >= 1
        launcher.submit(function_run("a", "learns", steps=5))
        events = drain(launcher, {"a"})
        assert [type(event) for event in events] == [Started, *[Reported] * 5, Finished]
        assert [event.step for event in events if isinstance(event, Reported)] == [1, 2, 3, 4, 5]
        assert ended(events, "a").outcome is Outcome.COMPLETE
        assert ended(events, "a").steps == 5
        assert launcher.poll(0.0) == []

    @pytest.mark.parametrize("exits", [False, True])
    def test_a_child_that_a_function_forks_ends_where_its_run_ends(
        self, launcher: Launcher, exits: bool
    ) -> None:
        launcher.submit(function_run("a", "forks_a_child_that_comes_back", exits=exits))
        events = drain(launcher, {"a"})
        assert [type(event) for event in events] == [Started, Reported, Finished]
        assert ended(events, "a").outcome is Outcome.COMPLETE
        assert launcher.poll(0.0) == []

    def test_a_crash_names_the_user_s_line_though_we_refused_what_it_gave(
        self, launcher: Launcher
    ) -> None:
        launcher.submit(function_run("a", "reports_a_word"))
        end = ended(drain(launcher, {"a"}), "a")
        assert end.outcome is Outcome.CRASHED
        assert "tests/launch/functions.py:" in end.facts["place"]

    def test_metrics_arrive_as_they_were_reported(self, launcher: Launcher) -> None:
        launcher.submit(function_run("a", "learns", steps=3))
        rows = [event for event in drain(launcher, {"a"}) if isinstance(event, Reported)]
        expected = [{"loss": 1 / step, "third": 1 / 3} for step in (1, 2, 3)]
        assert [dict(row.metrics) for row in rows] == expected

    def test_room_shrinks_with_a_run_and_comes_back(self, launcher: Launcher) -> None:
        room = launcher.room()
        launcher.submit(function_run("a", "learns"))
        assert launcher.room() == room - 1
        drain(launcher, {"a"})
        assert launcher.room() == room

    def test_a_run_without_room_is_refused_and_nothing_is_lost(self, launcher: Launcher) -> None:
        keys = {f"run{index}" for index in range(launcher.room())}
        for key in keys:
            launcher.submit(function_run(key, "slow_start", seconds=0.3))
        with pytest.raises(ValueError, match="no room"):
            launcher.submit(function_run("too many", "learns"))
        assert {event.key for event in drain(launcher, keys)} == keys

    def test_many_runs_in_turn_all_finish_once(self, launcher: Launcher) -> None:
        waiting = [function_run(f"run{index}", "learns", steps=2) for index in range(12)]
        keys, events = {run.key for run in waiting}, []
        while waiting:
            while waiting and launcher.room():
                launcher.submit(waiting.pop())
            events += launcher.poll(5.0)
        finished = {event.key for event in events if isinstance(event, Finished)}
        events += drain(launcher, keys - finished)
        assert all(ended(events, key).outcome is Outcome.COMPLETE for key in keys)

    def test_a_failure_is_the_run_s_own_and_says_where(self, launcher: Launcher) -> None:
        launcher.submit(function_run("bad", "raises"))
        end = ended(drain(launcher, {"bad"}), "bad")
        assert end.outcome is Outcome.CRASHED
        assert "ZeroDivisionError" in end.error
        assert "in raises" in end.error
        launcher.submit(function_run("good", "learns"))
        assert ended(drain(launcher, {"good"}), "good").outcome is Outcome.COMPLETE

    def test_a_stopped_run_ends_as_stopped(self, launcher: Launcher) -> None:
        launcher.submit(function_run("a", "until_stopped"))
        launcher.stop("a")
        assert ended(drain(launcher, {"a"}), "a").outcome is Outcome.STOPPED

    def test_a_stop_does_not_outlive_its_run(self, launcher: Launcher) -> None:
        launcher.submit(function_run("a", "learns"))
        drain(launcher, {"a"})
        launcher.stop("a")
        launcher.submit(function_run("a", "learns"))
        assert ended(drain(launcher, {"a"}), "a").outcome is Outcome.COMPLETE

    def test_the_configuration_and_folder_arrive_whole(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        run = function_run("a", "writes_what_it_got", tmp_path / "a", words=("x", "y"), rate=1.0)
        launcher.submit(run)
        assert ended(drain(launcher, {"a"}), "a").outcome is Outcome.COMPLETE
        assert (tmp_path / "a" / "got.txt").read_text() == repr((run.config, 7, 1000, "explore"))

    def test_close_twice_is_closing(self, launcher: Launcher) -> None:
        launcher.submit(function_run("a", "learns"))
        launcher.close()
        launcher.close()
