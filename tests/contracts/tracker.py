"""What every tracker must do. Subclass it and supply the fixture `tracker`."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from selector.track.run import Outcome
from selector.track.tracker import Tracker
from tests.track.examples import Told, result

#: A call holds its caller no longer than the first; one that the machine interrupts, the second.
CALL_SECONDS, INTERRUPTED_CALL_SECONDS = 0.05, 0.5

Mirrored = dict[tuple[str, int], float]


def assert_none_holds_its_caller(calls: Iterable[Callable[[], None]]) -> None:
    """Make each call and look at the clock."""
    seconds = []
    for call in calls:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    assert statistics.quantiles(seconds, n=20)[-1] < CALL_SECONDS  # 19 of 20 calls
    assert max(seconds) < INTERRUPTED_CALL_SECONDS


@pytest.mark.timeout(60)
class TrackerContract:
    """Properties of any tracker; `mirrored` reads back what it holds, None for a null one."""

    @pytest.fixture
    def tracker(self) -> Tracker:
        """A new tracker."""
        raise NotImplementedError

    def mirrored(self, tracker: Tracker, study: str, key: str) -> Mirrored | None:
        """(metric, step) -> value of a run, without the final value."""
        raise NotImplementedError

    def test_a_run_is_mirrored_whole(self, tracker: Tracker, tmp_path: Path) -> None:
        told = Told(tracker, tmp_path, "whole")
        told.started("a")
        for step in range(50):
            told.reported("a", step, {"loss": 5.0 - step / 10, "accuracy": step / 50})
        told.ended("a")
        assert tracker.close(30) == ""
        expected = {("loss", step): 5.0 - step / 10 for step in range(50)}
        expected |= {("accuracy", step): step / 50 for step in range(50)}
        assert self.mirrored(tracker, "whole", "a") in (expected, None)

    def test_runs_side_by_side_do_not_mix(self, tracker: Tracker, tmp_path: Path) -> None:
        told = Told(tracker, tmp_path, "mixed")
        for key in ("a", "b"):
            told.started(key)
        for step in range(20):
            told.reported("a", step, {"loss": 1.0})
            told.reported("b", step, {"loss": 2.0})
        for key in ("b", "a"):
            told.ended(key)
        assert tracker.close(30) == ""
        for key, value in (("a", 1.0), ("b", 2.0)):
            expected = {("loss", step): value for step in range(20)}
            assert self.mirrored(tracker, "mixed", key) in (expected, None)

    def test_a_run_told_again_is_mirrored_once(self, tracker: Tracker, tmp_path: Path) -> None:
        told = Told(tracker, tmp_path, "again")
        told.started("a")
        told.reported("a", 1, {"loss": 3.0})
        told.started("a")  # its worker died: what it reported is reported again
        for step in (1, 2):
            told.reported("a", step, {"loss": 4.0 - step})
        told.ended("a")
        assert tracker.close(30) == ""
        expected = {("loss", 1): 3.0, ("loss", 2): 2.0}
        assert self.mirrored(tracker, "again", "a") in (expected, None)

    def test_odd_names_and_numbers_do_not_raise(self, tracker: Tracker, tmp_path: Path) -> None:
        names = ("<script>", "../../x", "😀", "x" * 600, "a/./b", "", "café")
        told = Told(tracker, tmp_path, "odd")
        told.started("a", arm="<b>" * 300, tags={"../": "\ud800" * 9000})
        told.reported("a", 1, dict.fromkeys(names, 1.0))
        told.reported("a", 2, {"loss": math.nan, "other": math.inf, "fine": 1.0})
        told.ended("a", result(Outcome.DIVERGED, error="boom " * 4000))
        assert tracker.close(30) == ""

    def test_no_call_holds_its_caller(self, tracker: Tracker, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("<p>report</p>")
        told = Told(tracker, tmp_path, "quick")
        assert_none_holds_its_caller(
            [
                lambda: told.started("a"),
                *(partial(told.reported, "a", step, {"loss": 1.0}) for step in range(200)),
                lambda: told.ended("a"),
                lambda: tracker.artifacts("quick", [tmp_path / "index.html"]),
            ]
        )
        assert tracker.close(30) == ""

    def test_it_can_be_closed_twice_and_without_work(self, tracker: Tracker) -> None:
        assert tracker.close(1) == ""
        assert tracker.close(1) == ""
