from __future__ import annotations

import re
import threading
import time

import pytest

from selector.track.background import BackgroundTracker, Mirror
from selector.track.outbox import Attach, Begin, End, Metrics
from tests.track.examples import origin, result, run


class Kept(Mirror):
    """A mirror in memory whose next calls can be made to fail, or to wait."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.gate = threading.Event()
        self.gate.set()
        self.told: list[object] = []
        self.finished = False

    def begin(self, message: Begin) -> None:
        self._tell(message)

    def log(self, message: Metrics) -> None:
        self._tell(message)

    def end(self, message: End) -> None:
        self._tell(message)

    def attach(self, message: Attach) -> None:
        self._tell(message)

    def finish(self) -> None:
        self.finished = True

    def _tell(self, message: object) -> None:
        self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("the server at http://me:secret@host is away\nand more")
        self.told.append(message)


def test_a_fault_that_passes_costs_nothing() -> None:
    mirror = Kept(failures=2)
    tracker = BackgroundTracker(mirror, "mirror")
    tracker.started(run("a"), origin("s"))
    tracker.reported("a", 1, {"loss": 1.0})
    tracker.ended("a", result())
    time.sleep(1.2)  # two pauses
    assert tracker.close(5) == ""
    assert [type(message) for message in mirror.told] == [Begin, Metrics, End]
    assert mirror.finished


def test_a_fault_that_stays_is_counted_and_told_in_one_sentence() -> None:
    tracker = BackgroundTracker(Kept(failures=10_000), "mirror")
    for number in range(50):
        tracker.started(run(str(number)), origin("s"))
    start = time.monotonic()
    sentence = tracker.close(10)
    assert time.monotonic() - start < 2
    assert re.fullmatch(
        r"mirror lacks part of this session: 50 messages were not delivered, [34] calls failed"
        r" \(the first: the server at http://host is away\); the trial folders hold everything\.",
        sentence,
    )


def test_a_mirror_that_comes_back_before_the_end_gets_what_waits() -> None:
    mirror = Kept(failures=3)
    tracker = BackgroundTracker(mirror, "mirror")
    for number in range(5):
        tracker.started(run(str(number)), origin("s"))
    time.sleep(0.1)  # within the pause after the first failure
    tracker.close(10)
    keys = [message.run.key for message in mirror.told if isinstance(message, Begin)]
    assert keys == ["1", "2", "3", "4"]


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_close_waits_no_longer_than_it_is_told(seconds: float) -> None:
    mirror = Kept()
    mirror.gate.clear()
    tracker = BackgroundTracker(mirror, "mirror")
    tracker.started(run("a"), origin("s"))
    tracker.ended("a", result())
    start = time.monotonic()
    sentence = tracker.close(seconds)
    assert time.monotonic() - start < seconds + 0.2
    assert "2 messages were not delivered" in sentence
    mirror.gate.set()


def test_values_beyond_the_bound_are_said_to_be_missing() -> None:
    mirror = Kept()
    mirror.gate.clear()
    tracker = BackgroundTracker(mirror, "mirror", most_points=10)
    tracker.started(run("a"), origin("s"))
    for step in range(25):
        tracker.reported("a", step, {"loss": 1.0})
    mirror.gate.set()
    assert "15 metric values were dropped" in tracker.close(5)
