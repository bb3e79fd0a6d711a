"""Pilot runs: measured once, alone, before anything else, and frozen."""

from __future__ import annotations

import pytest

from selector.errors import RunFailed
from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner
from selector.study.pilot import STEPS, time_arms
from selector.track.record import Record
from selector.track.run import Outcome, Stage
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import MemoryTracker
from tests.report.build import METRIC
from tests.study.replayed import ARMS, small_study

SPEEDS = {"adamw": 1000.0, "muon": 500.0}


class Place(InlineLauncher):
    """Plays pilots back at known speeds, the first report of each slow; keeps what it ran."""

    def __init__(self, outcome=lambda run: Outcome.COMPLETE, speeds=SPEEDS):
        self.ran = []
        runner = ReplayRunner(rows=self.rows, outcome=outcome)
        self.speeds = speeds
        super().__init__(runner_for=lambda run: runner)

    def rows(self, run):
        self.ran.append(run)
        speed = self.speeds[run.config.optimizer.name]
        slow = [(STEPS // 4, {"tokens_per_second": speed / 10})]
        return [
            *slow,
            *((step, {METRIC: 3.0, "tokens_per_second": speed}) for step in (32, 48, 64)),
        ]


def measured(study, record, place, **options):
    with place:
        return time_arms(study, record, place, MemoryTracker(), **options)


def test_each_arm_is_timed_alone_at_its_defaults_without_its_warmup():
    study, record, place = small_study(fair="seconds"), Record(MemoryStore()), Place()
    found = measured(study, record, place)
    assert found == {"adamw": pytest.approx(1e-3), "muon": pytest.approx(2e-3)}
    assert [run.config.optimizer for run in place.ran] == [a.config.optimizer for a in study.arms]
    assert {run.stage for run in place.ran} == {Stage.PILOT}
    assert {run.tokens for run in place.ran} == {STEPS * 1024}
    assert {run.config.objective.evaluations for run in place.ran} == {1}
    assert [item["decision"] for item in record.decisions()] == ["pilot", "pilot"]
    assert not record.trials


def test_what_was_measured_is_not_measured_again():
    known = {"adamw": 1.0, "muon": 2.0}
    study, place = small_study(fair="seconds", pilot=known), Place()
    assert measured(study, Record(MemoryStore()), place) == known
    assert place.ran == []


def test_a_pilot_that_finished_before_a_kill_is_taken_over(tmp_path):
    study = small_study(fair="seconds")
    measured(study, Record(FolderStore(tmp_path)), Place())
    place = Place(speeds=dict.fromkeys(SPEEDS, 1.0))
    found = measured(study, Record(FolderStore(tmp_path)), place)
    assert found == {"adamw": pytest.approx(1e-3), "muon": pytest.approx(2e-3)}
    assert place.ran == []


def test_a_signal_keeps_what_was_measured():
    study, record, place = small_study(fair="seconds"), Record(MemoryStore()), Place()
    found = measured(study, record, place, interrupted=lambda: bool(record.decisions()))
    assert set(found) == {"adamw"}
    found = measured(small_study(fair="seconds", pilot=found), record, Place())
    assert set(found) == {"adamw", "muon"}


def test_arms_that_differ_in_length_alone_are_timed_once():
    study, place = small_study(fair="seconds"), Place()
    first = study.arms[0]
    twice = [first, type(first)(**{**vars(first), "name": "longer", "tokens": 2 * first.tokens})]
    study = type(study)(**{**vars(study), "arms": tuple(twice)})
    assert measured(study, Record(MemoryStore()), place) == dict.fromkeys(
        ["adamw", "longer"], pytest.approx(1e-3)
    )
    assert len(place.ran) == 1


def test_a_lost_pilot_is_tried_again_and_a_failed_one_is_named():
    study, lost = small_study(fair="seconds"), []

    def once(run):
        lost.append(run)
        return Outcome.LOST if len(lost) == 1 else Outcome.COMPLETE

    assert set(measured(study, Record(MemoryStore()), Place(once))) == {a.name for a in ARMS}
    record = Record(MemoryStore())
    with pytest.raises(RunFailed, match=r"fair: seconds needs the speed of every arm.*adamw"):
        measured(study, record, Place(lambda run: Outcome.OUT_OF_MEMORY))
    assert set(measured(study, record, Place())) == {"adamw", "muon"}  # mended: made again
