"""The study loop over played-back runs: counts, seeds, failures, stopping and going on."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import pytest

from selector.errors import RunFailed, StudyError
from selector.launch.base import Finished, Launcher, Reported
from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study.answer import answer
from selector.study.loop import run_study
from selector.study.searches import Searches
from selector.track.record import Record
from selector.track.run import Ended, Outcome, Stage
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import MemoryTracker
from tests.report.build import METRIC
from tests.study.replayed import launcher, loss, small_study


def run(study, record, place=None, **options):
    tracker = options.pop("tracker", None) or MemoryTracker()
    return run_study(study, record, place or launcher(), tracker, **options)


def shape(record):
    """Everything that was decided about runs, by key: numbers, values, seeds, results."""
    return {
        item.run.key: (
            item.trial.number, dict(item.trial.values), item.run.seed, item.run.tokens,
            item.result and item.result.value,
        )
        for item in record.runs()
    }  # fmt: skip


def test_every_arm_gets_the_same_trials_and_fresh_seeds():
    study, record = small_study(), Record(MemoryStore())
    assert run(study, record)
    stages = Counter((item.trial.arm, item.run.stage) for item in record.runs())
    assert stages == {
        (arm.name, stage): count
        for arm in study.arms
        for stage, count in (("explore", 6), ("verdict", 4))
    }
    assert all(item.result.outcome is Outcome.COMPLETE for item in record.runs())
    assert sorted(record.trials) == list(range(1, 13))
    assert answer(study, record).complete


def test_seeds_come_in_disjoint_blocks_that_arms_share():
    study, record = small_study(), Record(MemoryStore())
    run(study, record)
    blocks = {}
    for item in record.runs():
        key = (item.trial.arm, item.trial.sub_search, item.run.stage)
        blocks.setdefault(key, set()).add(item.run.seed)
    first, second = (arm.name for arm in study.arms)
    for sub_search in range(2):
        for stage in ("explore", "verdict"):
            assert blocks[first, sub_search, stage] == blocks[second, sub_search, stage]
    own = [blocks[first, r, stage] for r in range(2) for stage in ("explore", "verdict")]
    assert len(set.union(*own)) == sum(map(len, own))


def test_a_finalist_is_the_best_of_its_sub_search():
    study, record = small_study(), Record(MemoryStore())
    run(study, record)
    for arm in study.arms:
        for sub_search in range(2):
            explored = {
                item.trial.number: item.result.value
                for item in record.runs(Stage.EXPLORE)
                if (item.trial.arm, item.trial.sub_search) == (arm.name, sub_search)
            }
            confirmed = {
                item.trial.number
                for item in record.runs(Stage.VERDICT)
                if (item.trial.arm, item.trial.sub_search) == (arm.name, sub_search)
            }
            assert confirmed == {min(explored, key=explored.get)}
    finalists = [item for item in record.decisions() if item["decision"] == "finalist"]
    assert len(finalists) == 4


@pytest.mark.parametrize("sampler", ["random", "tpe", "refined", "cmaes"])
@pytest.mark.parametrize("stop_after", [0, 1, 5, 11, 13, 19])
def test_a_study_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, stop_after, sampler):
    from selector.config.technique import Technique

    settings = {"tpe": {"startup_trials": 2}, "refined": {"explore_share": 0.5}}
    values = settings.get(sampler, {"spread": 0.3})
    study = small_study(trials=4, sampler=Technique(name=sampler, values=values))
    whole = Record(MemoryStore())
    run(study, whole)

    folder = tmp_path / "study"
    asked = Counter()

    def stops():
        asked["n"] += 1
        return asked["n"] > stop_after

    assert not run(study, Record(FolderStore(folder)), interrupted=stops)
    again = Record(FolderStore(folder))  # a new process reads the folder
    assert run(study, again)
    assert shape(again) == shape(whole)
    assert shape(Record(FolderStore(folder))) == shape(whole)


def test_what_was_asked_and_not_finished_runs_again_under_its_number(tmp_path):
    study = small_study()
    first = Record(FolderStore(tmp_path))
    calls = Counter()

    def dies(run):
        calls["n"] += 1
        if calls["n"] == 4:
            raise KeyboardInterrupt  # what kill -9 leaves: asked, not over
        return Outcome.COMPLETE

    with pytest.raises(KeyboardInterrupt):
        run(study, first, launcher(outcome=dies))
    again = Record(FolderStore(tmp_path))
    (unfinished,) = [item for item in again.runs() if item.result is None]
    run(study, again)
    assert again.run(unfinished.run.key).result.outcome is Outcome.COMPLETE
    whole = Record(MemoryStore())
    run(study, whole)
    assert shape(again) == shape(whole)
    rows = again.curve(unfinished.run.key)
    assert [row["step"] for row in rows] == [5, 10]


def test_a_larger_budget_adds_only_what_is_new(tmp_path):
    store = FolderStore(tmp_path)
    run(small_study(), Record(store))
    before = shape(Record(store))
    tracker = MemoryTracker()
    run(small_study(replicates=3), Record(store), tracker=tracker)
    after = shape(Record(store))
    assert {key: after[key] for key in before} == before
    assert len(after) - len(before) == 10
    assert len(tracker.runs) == 10


def test_failures_are_told_as_what_they_are():
    study, record = small_study(), Record(MemoryStore())

    def outcome(run):
        return Outcome.DIVERGED if run.config.optimizer["lr"] > 3e-3 else Outcome.COMPLETE

    run(study, record, launcher(outcome=outcome))
    for item in record.runs(Stage.EXPLORE):
        told = item.result.told
        if item.result.outcome is Outcome.DIVERGED:
            known = [
                other.result.value
                for other in record.runs(Stage.EXPLORE)
                if (other.trial.arm, other.trial.sub_search)
                == (item.trial.arm, item.trial.sub_search)
                and other.trial.index < item.trial.index
                and other.result.value is not None
            ]
            assert (told.state, told.constraint) == ("complete", 1.0)
            assert told.value >= max(known, default=0) + 1
            assert item.result.value is None
        else:
            assert (told.state, told.value, told.constraint) == (
                "complete", item.result.value, -1.0,
            )  # fmt: skip


def test_a_lost_run_is_tried_again_and_costs_nothing():
    study, record = small_study(), Record(MemoryStore())
    attempts = Counter()

    def outcome(run):
        attempts[run.key] += 1
        return Outcome.LOST if attempts[run.key] < 3 else Outcome.COMPLETE

    run(study, record, launcher(outcome=outcome))
    assert set(attempts.values()) == {3}
    whole = Record(MemoryStore())
    run(study, whole)
    assert shape(record) == shape(whole)


def test_a_run_that_is_always_lost_ends():
    study, record = small_study(), Record(MemoryStore())
    lost = study.seed_of("explore", 0)
    run(study, record, launcher(outcome=lambda run: (
        Outcome.LOST if run.seed == lost and run.config.optimizer.name == "muon"
        else Outcome.COMPLETE
    )))  # fmt: skip
    assert Counter(item.result.outcome for item in record.runs())[Outcome.LOST] == 3
    assert answer(study, record).complete


def test_the_same_crash_three_times_stops_the_study():
    study, record = small_study(), Record(MemoryStore())
    with pytest.raises(RunFailed, match="3 runs crashed with the same error"):
        run(study, record, launcher(outcome=lambda run: Outcome.CRASHED))
    assert Counter(item.result.told.state for item in record.runs() if item.result) == {"fail": 3}


def test_what_crashed_or_was_lost_is_tried_again_by_the_next_run(tmp_path):
    study, store = small_study(), FolderStore(tmp_path)
    broken = study.seed_of("explore", 1)

    def outcome(run):
        if run.seed != broken:
            return Outcome.COMPLETE
        return Outcome.LOST if run.config.optimizer.name == "muon" else Outcome.DIVERGED

    run(study, Record(store), launcher(outcome=outcome))
    mended = Record(store)
    assert run(study, mended)  # the machine is back
    outcomes = Counter(item.result.outcome for item in mended.runs())
    assert outcomes[Outcome.LOST] == 0
    assert outcomes[Outcome.DIVERGED] == 3  # says something of the configuration: it stays
    stored = shape(Record(store))
    assert run(study, Record(store))
    assert shape(Record(store)) == stored


def test_a_study_cut_off_before_its_verdict_runs_has_no_winner():
    study, record = small_study(), Record(MemoryStore())
    run(study, record)
    for item in list(record.runs(Stage.VERDICT)):
        if item.trial.arm == "muon":
            record.store.remove(f"{item.run.key}/run.yaml")
            record.store.remove(f"{item.run.key}/result.json")
    found = answer(study, Record(record.store))
    assert not found.complete
    assert found.verdict.state == "insufficient_evidence"
    assert found.verdict.reasons == ("muon has no verdict run that completed",)


def test_an_arm_that_always_diverges_is_beaten():
    study, record = small_study(), Record(MemoryStore())

    def outcome(run):
        diverges = run.config.optimizer.name == "muon"
        return Outcome.DIVERGED if diverges else Outcome.COMPLETE

    assert run(study, record, launcher(outcome=outcome))
    found = answer(study, record)
    assert found.complete
    assert found.verdict.state == "winner"
    assert found.recommended.arm == "adamw"


def test_a_missing_trial_is_named(tmp_path):
    study, store = small_study(), FolderStore(tmp_path)
    run(study, Record(store))
    (first,) = (tmp_path / "trials").glob("00001-*")
    shutil.rmtree(first)
    with pytest.raises(StudyError, match="trial 0 of sub-search 0 of adamw is missing"):
        run(study, Record(store))


def test_points_with_which_nothing_can_exist_are_drawn_again():
    study = small_study(trials=6)
    arm = study.arms[0]
    width = Interval(low=32, high=96, step=32, integer=True)
    heads = Interval(low=1, high=3, step=1, integer=True)
    space = Space(dimensions={"model.width": width, "model.heads": heads})
    study = replace(study, arms=(replace(arm, space=space),))
    record = Record(MemoryStore())
    assert run(study, record)
    shapes = {(t.config.model.width, t.config.model.heads) for t in record.trials.values()}
    assert len(shapes) > 3
    assert all(width % heads == 0 for width, heads in shapes)


def test_a_finalist_that_was_replaced_does_not_count():
    study, record = small_study(seed=3), Record(MemoryStore())
    run(study, record)
    larger = small_study(seed=3, trials=8)
    assert run(larger, record)
    finalists = {item.trial.number for item in answer(larger, record).finalists}
    replaced = {i.trial.number for i in record.runs(Stage.VERDICT)} - finalists
    assert replaced, "the surface or the seeds changed: no finalist was replaced"
    searches = Searches(larger, record)
    assert searches.finished == searches.total == 40


def test_a_run_without_the_metric_crashed():
    study, record = small_study(metric="accuracy"), Record(MemoryStore())
    with pytest.raises(RunFailed, match=r"'accuracy' was never reported; reported: other, valid"):
        run(study, record)


def test_the_tracker_is_told_everything():
    study, record, tracker = small_study(), Record(MemoryStore()), MemoryTracker()
    run(study, record, tracker=tracker)
    assert tracker.runs.keys() == {item.run.key for item in record.runs()}
    for key, mirrored in tracker.runs.items():
        assert mirrored["result"] == record.run(key).result
        last = max(row["step"] for row in record.curve(key))
        assert mirrored["metrics"][study.metric, last] == mirrored["result"].value


def test_runs_that_end_at_once_do_not_keep_results_from_being_stored():
    class Instant(Launcher):
        """Has room again as soon as a run was submitted, as workers have that are quick."""

        def __init__(self):
            self.over, self.most = [], 0

        def room(self):
            return 2

        def submit(self, run):
            self.over.append(Reported(key=run.key, step=1, metrics={METRIC: loss(run)}))
            self.over.append(Finished(key=run.key, ended=Ended(outcome=Outcome.COMPLETE)))
            self.most = max(self.most, len(self.over))

        def poll(self, seconds):
            events, self.over = self.over, []
            return events

    place, record = Instant(), Record(MemoryStore())
    assert run(small_study(), record, place)
    assert place.most == 4  # the events of two runs
