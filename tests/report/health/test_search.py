"""Whether the search had a chance, planted and not."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.report.health.remedy import range_text
from selector.report.health.search import untuned_rate
from selector.space.interval import Interval
from selector.study.arms import resolve
from selector.track.run import Result, Told, Trial
from tests.report.build import ADAMW, MUON, Builder, Surface, finished, study
from tests.report.health.planted import all_found, found


def test_the_best_at_an_edge_asks_for_a_wider_range() -> None:
    low = Surface(name="lion", rate=1e-5)
    (finding,) = found(finished(ADAMW, low, noise=0.001), "best at an edge")
    assert finding.arm == "lion"
    assert "low end of the range of optimizer.lr (0.0003 to 0.03)" in finding.text
    assert finding.remedy == "selector run optimizers budget.extensions=1"


def test_a_range_that_was_extended_as_often_as_may_be_has_no_remedy() -> None:
    low = Surface(name="lion", rate=1e-5)
    (finding,) = found(finished(ADAMW, low, noise=0.001, extensions=4), "best at an edge")
    assert finding.remedy == ""


def test_a_range_as_an_override_keeps_its_scale() -> None:
    rate = Interval(low=1e-3, high=1e-1, log=True)
    assert range_text(rate, 1e-3, 1.0) == "tag(log,interval(0.001,1))"
    share = Interval(low=0.0, high=0.2)
    assert range_text(share, 0.0, 0.1 + 0.2) == "interval(0,0.3)"
    assert range_text(Interval(low=2, high=6, integer=True), 2, 8.4) == "interval(2,8)"


def test_few_trials_are_called_luck() -> None:
    both = found(finished(ADAMW, MUON, trials=2), "too few trials")
    assert [item.arm for item in both] == ["adamw", "muon"]
    assert both[0].remedy == "selector run optimizers budget.trials=6"
    assert not found(Builder(study([ADAMW]), [ADAMW]).explore(0.25), "too few trials")


def test_a_rate_that_was_not_tuned_is_said() -> None:
    built = finished(ADAMW, Surface(name="muon", tuned=False))
    (finding,) = found(built, "learning rate not tuned")
    assert finding.arm == "muon"
    assert "optimizer=muon 'optimizer.lr=tag(log,interval(0.0003,0.03))'" in finding.remedy
    assert not found(
        finished(Surface(tuned=False), objective="function"), "learning rate not tuned"
    )


def test_a_best_that_no_second_trial_comes_near_is_called_luck() -> None:
    narrow = Surface(curvature=100.0, cliff=1.0)
    (finding,) = found(finished(narrow, MUON, seed=3), "too few good trials")
    assert finding.arm == "adamw"
    assert "in 4 of 4 sub-searches no second trial came within 0.087 of the best" in finding.text
    assert finding.remedy == "selector run optimizers budget.trials=16"
    assert not found(finished(replace(narrow, curvature=0.5), MUON), "too few good trials")


def with_rungs(*, correlated: bool) -> Builder:
    """Short runs whose values agree with the whole runs, or have no meaning."""

    def change(result: Result, trial: Trial, stage: str) -> Result:
        if correlated or stage != "rung1" or result.value is None:
            return result
        value = random.Random(trial.number).random()
        return replace(result, value=value, told=Told(state="complete", value=value, constraint=-1))

    return finished(ADAMW, MUON, trials=16, rungs=True, change=change)


def test_rungs_that_rank_otherwise_than_whole_runs_are_said() -> None:
    (finding,) = found(with_rungs(correlated=False), "rungs mislead")
    assert finding.arm == ""
    assert finding.remedy == "selector run optimizers budget.rungs=never name=optimizers_whole"
    assert "hardly agree (rank correlation " in finding.text
    assert all_found(with_rungs(correlated=True)) == []


def test_an_optimizer_that_finds_its_rate_is_tuned_by_another_key() -> None:
    tuned = resolve(compose_study(study_file("quickstart"), ["optimizer=prodigy,adamw"]))
    arms: list[Any] = [SimpleNamespace(arm=arm) for arm in tuned.arms]
    assert "optimizer.d_coef" in tuned.arms[0].space.dimensions
    both: Any = SimpleNamespace(study=tuned, arms=arms)
    assert not list(untuned_rate(both))
    fixed = replace(tuned.arms[0], space=replace(tuned.arms[0].space, dimensions={}))
    alone: Any = SimpleNamespace(study=tuned, arms=[SimpleNamespace(arm=fixed)])
    (finding,) = untuned_rate(alone)
    assert finding.arm == "prodigy"
