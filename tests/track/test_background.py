from __future__ import annotations

import re
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from selector.track.background import BackgroundTracker, Mirror, in_a_line
from selector.track.outbox import Entry, Files
from selector.track.record import StoredRun
from tests.track.examples import Told, origin, result, run


class Kept(Mirror):
    """A mirror in memory whose next calls can be made to fail, or to wait."""

    def __init__(self, failures: int = 0, refused: Sequence[str] = ()) -> None:
        self.failures = failures
        self.refused = refused
        self.gate = threading.Event()
        self.gate.set()
        self.shown: list[tuple[str, bool]] = []
        self.files: list[Files] = []
        self.known: set[str] = set()
        self.calls = 0
        self.finished = False

    def show(self, entry: Entry) -> None:
        self._call()
        if entry.run.key in self.refused:
            raise ValueError("a bad run")
        self.shown.append((entry.run.key, entry.result is not None))

    def lacking(self, study: str, entries: Sequence[Entry]) -> list[Entry]:
        self._call()
        return [entry for entry in entries if entry.run.key not in self.known]

    def attach(self, files: Files) -> None:
        self._call()
        self.files.append(files)

    def finish(self) -> None:
        self._call()
        self.finished = True

    def over(self) -> list[str]:
        return [key for key, over in self.shown if over]

    def _call(self) -> None:
        self.calls += 1
        self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise ValueError("the server at http://me:secret@host is away\nand more")


def test_a_server_that_comes_back_gets_everything_once_without_anybodys_help(
    tmp_path: Path,
) -> None:
    mirror = Kept(failures=2)
    told = Told(BackgroundTracker(mirror, "mirror"), tmp_path, "s")
    for number in range(50):
        told.whole(str(number), range(1))
    time.sleep(1.2)  # two pauses
    assert sorted(mirror.over()) == sorted(map(str, range(50)))
    assert told.tracker.close(5) == ""
    assert mirror.finished
    assert len(mirror.over()) == 50


def test_a_server_that_stays_away_is_told_in_one_sentence_after_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selector.track.background._PATIENCE_AT_THE_END", 0.5)
    told = Told(BackgroundTracker(Kept(failures=10_000), "mirror"), tmp_path, "my study")
    for number in range(50):
        told.whole(str(number), range(1))
    told.tracker.artifacts("my study", [tmp_path])
    start = time.monotonic()
    sentence = told.tracker.close(10)
    assert time.monotonic() - start < 2
    assert sentence == (
        "mirror lacks 50 runs and the report (the server at http://host is away);"
        " the trial folders hold everything: `selector sync 'my study'` completes it."
    )


def test_what_waits_for_a_server_that_is_away_is_small(tmp_path: Path) -> None:
    mirror = Kept()
    mirror.gate.clear()
    tracker = BackgroundTracker(mirror, "mirror")
    kept = result()  # as the record does
    shared, belongs = run("a", tmp_path), origin("s")
    count = 3000
    before = sys.getallocatedblocks()
    for number in range(count):
        object.__setattr__(shared, "key", str(number))
        tracker.started(shared, belongs)
        for step in range(100):
            tracker.reported(str(number), step, {"loss": 1.0, "accuracy": 1.0})
        tracker.ended(str(number), kept)
    assert (sys.getallocatedblocks() - before) / count < 12
    mirror.gate.set()
    tracker.close(0)


def test_a_run_that_the_store_refuses_does_not_hold_up_the_others(tmp_path: Path) -> None:
    mirror = Kept(refused=["bad"])
    told = Told(BackgroundTracker(mirror, "mirror"), tmp_path, "s")
    for key in ("bad", "a", "b"):
        told.whole(key, range(1))
    deadline = time.monotonic() + 10
    while mirror.over() != ["a", "b"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sentence = told.tracker.close(1)
    assert re.fullmatch(r"mirror lacks 1 run \(a bad run\); .*", sentence)


def test_runs_of_before_are_delivered_where_they_are_not_known() -> None:
    mirror = Kept(failures=1)
    mirror.known = {"a"}
    tracker = BackgroundTracker(mirror, "mirror")
    over = [StoredRun(run=run(key), trial=None, result=result()) for key in ("a", "b")]
    tracker.earlier("s", [*over, StoredRun(run=run("c"), trial=None, result=None)], ["sgd"])
    assert tracker.close(5) == ""
    assert mirror.over() == ["b"]


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_close_waits_no_longer_than_it_is_told(seconds: float, tmp_path: Path) -> None:
    mirror = Kept()
    mirror.gate.clear()
    told = Told(BackgroundTracker(mirror, "mirror"), tmp_path, "s")
    told.whole("a", range(2))
    start = time.monotonic()
    sentence = told.tracker.close(seconds)
    assert time.monotonic() - start < seconds + 0.2
    assert "lacks 1 run;" in sentence
    mirror.gate.set()


def test_ctrl_c_ends_the_waiting_and_still_says_what_lacks(tmp_path: Path) -> None:
    mirror = Kept()
    mirror.gate.clear()
    told = Told(BackgroundTracker(mirror, "mirror"), tmp_path, "s")
    told.whole("a", range(2))
    start = time.monotonic()
    sentence = told.tracker.close(30, interrupted=lambda: time.monotonic() - start > 0.2)
    assert 0.2 < time.monotonic() - start < 1
    assert "lacks 1 run;" in sentence
    mirror.gate.set()


def test_a_run_that_goes_on_is_looked_at_now_and_then(tmp_path: Path) -> None:
    mirror = Kept()
    told = Told(BackgroundTracker(mirror, "mirror"), tmp_path, "s")
    told.started("a")
    for step in range(130):
        told.reported("a", step, {"loss": 1.0})
        time.sleep(0.01)
    assert 1 <= mirror.calls <= 2
    told.ended("a")
    assert told.tracker.close(5) == ""
    assert mirror.shown[-1] == ("a", True)


def chained(inner: Exception) -> Exception:
    """An error as libraries wrap it: its first line says nothing."""
    outer = ValueError("(raised as a result of Query-invoked autoflush)\nmore")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (sqlite3.OperationalError("database is locked"), "database is locked"),
        (ModuleNotFoundError("No", name="psycopg"), "the Python package psycopg is not installed"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "it does not answer in time"),
    ],
)
def test_what_went_wrong_is_said_in_the_words_of_who_refused(inner: Exception, said: str) -> None:
    assert in_a_line(chained(inner)) == said
