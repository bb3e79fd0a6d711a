"""The method over played-back runs: rungs, screening, looks, extension, constraints, limits."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from selector.config.technique import Technique
from selector.errors import RunFailed, StudyError
from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner
from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study.answer import answer
from selector.study.loop import run_study
from selector.study.searches import Searches
from selector.track.record import Record
from selector.track.run import Outcome, Stage
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import MemoryTracker
from tests.report.build import METRIC, Surface, study
from tests.study.replayed import launcher, small_study

ALL = {"screen": 2, "most_replicates": 3, "extensions": 1, "trials": 6}


def run(study, record, place=None, **options):
    return run_study(study, record, place or launcher(), MemoryTracker(), **options)


def noisy(run) -> float:
    """Two techniques that differ by nothing but the luck of the seed."""
    distance = math.log10(run.config.optimizer["lr"] / 3e-3)
    return 2.4 + 0.1 * distance**2 + 0.02 * ((run.seed * 2654435761) % 97) / 97


def far_apart(run) -> float:
    """Muon is better by far more than the noise."""
    return noisy(run) - 0.5 * (run.config.optimizer.name == "muon")


def far_outside(run) -> float:
    """Both rates are best far above the range of `Surface`."""
    return 2.4 + 0.1 * math.log10(run.config.optimizer["lr"] / 1.0) ** 2


def shape(record):
    return {
        item.run.key: (item.trial.number, dict(item.trial.values), item.result and item.result.told)
        for item in record.runs()
    }


def decided(record, what):
    """What was decided, without when."""
    found = [item for item in record.decisions() if item["decision"] == what]
    return [{key: value for key, value in item.items() if key != "at"} for item in found]


def stages(record):
    return Counter(item.run.stage for item in record.runs())


def test_the_best_of_the_search_are_screened_and_one_of_them_is_judged():
    asked, record = small_study(trials=4, screen=2), Record(MemoryStore())
    assert run(asked, record, launcher(value=noisy))
    assert stages(record) == {"explore": 16, "screen": 8, "verdict": 8}
    for search in Searches(asked, record):
        best = sorted(search.values, key=search.values.get)[:2]
        assert set(search.screens) == set(best)
        means = {index: (search.values[index] + search.screens[index]) / 2 for index in best}
        assert search.finalist().index == min(means, key=means.get)
        seeds = {item.run.seed for item in record.runs(Stage.SCREEN)}
        assert not seeds & {item.run.seed for item in record.runs() if item.run.stage != "screen"}


def test_one_that_diverges_when_screened_is_no_finalist():
    asked, record = small_study(trials=4, screen=2), Record(MemoryStore())
    best = {}

    def outcome(run):
        place = (run.seed, run.config.optimizer.name)
        if run.stage == "screen" and run.config == best.setdefault(place, run.config):
            return Outcome.DIVERGED  # the first that is screened: the best explored
        return Outcome.COMPLETE

    assert run(asked, record, launcher(outcome=outcome))
    for search in Searches(asked, record):
        ranked = sorted(search.values, key=search.values.get)
        assert search.finalist().index == ranked[1]


def test_rungs_train_all_shortly_and_only_the_promoted_for_long():
    asked, record = replace(small_study(trials=9), rungs=True), Record(MemoryStore())
    assert run(asked, record)
    assert stages(record) == {"rung1": 36, "explore": 12, "verdict": 8}
    tokens = {item.run.stage: item.run.tokens for item in record.runs()}
    assert tokens["rung1"] == tokens["explore"] // 3
    for search in Searches(asked, record):
        ranked = sorted(search.short, key=search.short.get)
        promoted = search.promoted()
        assert promoted[:2] == ranked[:2]
        assert promoted[2] in ranked[2:]  # one at random: it measures what the ranking loses
        assert set(search.values) == set(promoted)
        assert search.finalist().index in promoted


def test_a_sampler_never_sees_two_lengths():
    asked, record = replace(small_study(trials=6), rungs=True), Record(MemoryStore())
    runner = ReplayRunner(
        rows=lambda run: [(9, {METRIC: 2.0 if run.stage == "explore" else 3.0, "other": 1.0})]
    )
    run(asked, record, InlineLauncher(runner_for=lambda run: runner))
    for search in Searches(asked, record):
        assert {item.told.value for item in search.past} == {3.0}


def test_a_question_that_is_not_clear_gets_more_sub_searches():
    asked = small_study(replicates=2, most_replicates=4)
    record = Record(MemoryStore())
    assert run(asked, record, launcher(value=noisy))
    first, last = decided(record, "look")
    assert (first["units"], first["goes_on"], first["level"]) == (2, 4, 0.02)
    assert (last["units"], last["goes_on"], last["level"]) == (4, 4, 0.0379)
    found = answer(asked, record)
    assert found.complete
    assert (found.units, found.level) == (4, 0.0379)
    assert stages(record)["verdict"] == 2 * 4 * 2


def test_a_clear_answer_ends_the_study_unless_told_not_to():
    asked = small_study(replicates=3, most_replicates=6)
    record = Record(MemoryStore())
    assert run(asked, record, launcher(value=far_apart))
    (look,) = decided(record, "look")
    assert (look["state"], look["goes_on"]) == ("winner", 3)
    assert answer(asked, record).complete
    stays = small_study(replicates=3, most_replicates=6, stop_when_clear=False)
    record = Record(MemoryStore())
    assert run(stays, record, launcher(value=far_apart))
    assert [item["goes_on"] for item in decided(record, "look")] == [6, 6]


def test_more_sub_searches_allowed_later_are_made_where_they_are_needed():
    record = Record(MemoryStore())
    run(small_study(replicates=2, most_replicates=3), record, launcher(value=noisy))
    before = shape(record)
    more = small_study(replicates=2, most_replicates=5)
    assert not answer(more, record).complete
    run(more, record, launcher(value=noisy))
    assert answer(more, record).units == 5
    assert {key: shape(record)[key] for key in before} == before


def test_a_range_whose_edge_is_best_is_extended_and_only_the_new_part_is_tried():
    asked = study(
        (Surface(name="adamw"), Surface(name="muon")), trials=6, extensions=2, replicates=2
    )
    record = Record(MemoryStore())
    assert run(asked, record, launcher(value=far_outside))
    found = decided(record, "extend")
    assert [item["arm"] for item in found] == ["adamw", "muon", "adamw", "muon"]
    dimension = asked.arms[0].space.dimensions["optimizer.lr"]
    high = dimension.high
    for step, item in enumerate(found[::2]):
        assert (item["key"], item["side"], item["low"]) == ("optimizer.lr", "high", dimension.low)
        assert item["high"] > high
        own = [
            trial.values["optimizer.lr"]
            for trial in record.trials.values()
            if trial.arm == "adamw" and item["first"] <= trial.index < item["first"] + 3
        ]
        assert item["first"] == 6 + 3 * step
        assert len(own) == 6
        assert all(high <= rate <= item["high"] for rate in own)
        high = item["high"]
    searches = Searches(asked, record)
    assert searches.arms["adamw"].space.dimensions["optimizer.lr"].high == high
    assert searches.total == searches.finished == 2 * 2 * (12 + 2)


def test_a_range_that_holds_the_best_stays():
    record = Record(MemoryStore())
    run(small_study(trials=8, extensions=2), record)
    assert not decided(record, "extend")


@pytest.mark.parametrize(("surface", "rungs"), [(noisy, False), (far_outside, True)])
@pytest.mark.parametrize("stop_after", [23, 37, 41, 52, 55])
def test_what_was_decided_is_decided_again_after_a_stop(tmp_path, stop_after, surface, rungs):
    asked = replace(small_study(**ALL), rungs=rungs)
    whole = Record(MemoryStore())
    run(asked, whole, launcher(value=surface))
    assert decided(whole, "look")
    calls = Counter()

    def stops():
        calls["n"] += 1
        return calls["n"] > stop_after

    run(asked, Record(FolderStore(tmp_path)), launcher(value=surface), interrupted=stops)
    again = Record(FolderStore(tmp_path))
    assert run(asked, again, launcher(value=surface))
    assert shape(again) == shape(whole)
    for what in ("extend", "look", "finalist"):
        assert decided(again, what) == decided(whole, what)
    assert answer(asked, Record(FolderStore(tmp_path))).complete


def test_a_run_that_breaks_a_constraint_teaches_and_is_no_finalist():
    asked = small_study(trials=6, subject_to=("other < 2",))
    record = Record(MemoryStore())
    runner = ReplayRunner(
        rows=lambda run: [
            (9, {METRIC: noisy(run), "other": 3.0 if run.config.optimizer["lr"] > 3e-3 else 1.0})
        ]
    )
    run(asked, record, InlineLauncher(runner_for=lambda run: runner))
    broke = [item for item in record.runs(Stage.EXPLORE) if item.result.metrics["other"] == 3.0]
    assert broke
    assert all(item.result.told.constraint == pytest.approx(0.5) for item in broke)
    assert all(item.result.told.value == item.result.value for item in broke)
    for finalist in answer(asked, record).finalists:
        assert finalist.trial.values["optimizer.lr"] <= 3e-3


def test_a_constraint_on_something_never_reported_is_a_crash_that_names_it():
    asked = small_study(subject_to=("peak_memory_gib < 2",))
    with pytest.raises(RunFailed, match=r"the run reported no peak_memory_gib; it has .*other"):
        run(asked, Record(MemoryStore()))


def test_a_winner_must_keep_the_constraints_on_fresh_seeds():
    asked = small_study(trials=4, replicates=3, subject_to=("other < 2",))
    record = Record(MemoryStore())

    def rows(run):
        late = run.stage == "verdict" and run.config.optimizer.name == "muon"
        best = 2.3 if run.config.optimizer.name == "muon" else 2.4
        return [(9, {METRIC: best, "other": 3.0 if late else 1.0})]

    runner = ReplayRunner(rows=rows)
    run(asked, record, InlineLauncher(runner_for=lambda run: runner))
    verdict = answer(asked, record).verdict
    assert verdict.best == "adamw"  # muon has no run that counts
    assert verdict.state == "winner"


def test_a_limit_ends_the_study_unfinished_and_a_larger_one_goes_on():
    asked = small_study(device_hours=1e-12)
    record = Record(MemoryStore())
    assert run(asked, record)
    (limit,) = decided(record, "limit")
    assert limit["limit"] == "budget.device_hours=1e-12"
    assert not answer(asked, record).complete
    assert run(small_study(), record)
    assert answer(small_study(), record).complete


def test_damaged_decisions_are_named(tmp_path):
    asked = small_study(extensions=1)
    record = Record(FolderStore(tmp_path))
    run(asked, record)
    record.decide({"decision": "extend", "arm": "adamw"})
    with pytest.raises(StudyError, match=r"decisions\.jsonl: is damaged: KeyError\('key'\)"):
        Searches(asked, Record(FolderStore(tmp_path)))


@pytest.mark.parametrize("sampler", ["random", "refined", "grid"])
def test_the_same_command_on_a_complete_study_adds_nothing(sampler):
    values = {"explore_share": 0.5} if sampler == "refined" else {}
    asked = small_study(
        screen=3, extensions=2, trials=6, sampler=Technique(name=sampler, values=values)
    )
    if sampler == "grid":
        grid = Interval(low=3e-4, high=3e-2, log=True, grid=6)
        space = Space(dimensions={"optimizer.lr": grid})
        asked = replace(asked, arms=tuple(replace(arm, space=space) for arm in asked.arms))
    for seed in range(6):
        study_, record = replace(asked, seed=seed), Record(MemoryStore())
        run(study_, record, launcher(value=noisy))
        before = shape(record)
        assert answer(study_, record).complete
        assert run(study_, Record(record.store), launcher(value=noisy))
        assert shape(Record(record.store)) == before


def test_more_evidence_is_looked_at_again():
    record = Record(MemoryStore())
    asked = small_study(replicates=3, most_replicates=5)
    run(asked, record, launcher(value=far_apart))
    assert [item["goes_on"] for item in decided(record, "look")] == [3]
    stays = replace(asked, budget=replace(asked.budget, stop_when_clear=False))
    assert not answer(stays, record).complete
    run(stays, record, launcher(value=far_apart))
    assert answer(stays, record).units == 5
    more = replace(stays, budget=replace(stays.budget, verdict_seeds=4))
    run(more, record, launcher(value=far_apart))
    assert decided(record, "look")[-1]["runs"] == 2 * 5 * (3 + 4)


def test_the_cost_of_an_arm_is_that_of_its_verdict_runs():
    asked, record = replace(small_study(trials=6), rungs=True), Record(MemoryStore())
    run(asked, record)
    for item in record.runs():
        seconds = {"rung1": 100.0, "explore": 300.0, "verdict": 310.0}[item.run.stage]
        record.finish(item.run.key, replace(item.result, seconds=seconds))
    arms = Searches(asked, Record(record.store)).arms.values()
    assert [arm.seconds for arm in arms] == [310.0, 310.0]


def test_a_grid_is_never_extended():
    grid = Interval(low=3e-4, high=3e-2, log=True, grid=4)
    asked = small_study(extensions=2, trials=4, sampler=Technique(name="grid"))
    space = Space(dimensions={"optimizer.lr": grid})
    asked = replace(asked, arms=tuple(replace(arm, space=space) for arm in asked.arms))
    record = Record(MemoryStore())
    run(asked, record, launcher(value=far_outside))
    assert not decided(record, "extend")
