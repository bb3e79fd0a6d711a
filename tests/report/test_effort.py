from __future__ import annotations

import itertools
import statistics

import pytest

from selector.config.technique import Technique
from selector.report.effort import effort, expected_best
from selector.report.results import results
from tests.report.build import ADAMW, MUON, SGD, Builder, finished, study


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("minimize", [True, False])
def test_the_formula_is_the_mean_over_all_draws(count: int, minimize: bool) -> None:
    values = [2.5, 2.41, 2.9, 2.44, 3.3, 2.41]
    best = min if minimize else max
    draws = [best(draw) for draw in itertools.combinations(values, count)]
    assert expected_best(values, count, minimize=minimize) == pytest.approx(statistics.fmean(draws))


def test_more_trials_are_never_worse_and_end_near_the_best() -> None:
    stored = finished(ADAMW, MUON).stored()
    table = results(stored)
    for item in effort(stored.study, table):
        assert item.trials[0] == 1
        assert item.trials[-1] == 8
        assert list(item.best) == sorted(item.best, reverse=True)
        own = table.query("stage == 'explore' and arm == @item.arm")["value"]
        assert item.best[0] == pytest.approx(own.mean())
        assert own.min() < item.best[-1] < own.median()


def test_a_failed_trial_counts_as_the_worst() -> None:
    stored = finished(SGD).stored()
    (item,) = effort(stored.study, results(stored))
    own = results(stored).query("stage == 'explore'")["value"]
    assert own.isna().any()
    assert item.best[0] == pytest.approx(own.fillna(own.max()).mean())


def test_what_a_sampler_learnt_to_propose_is_left_out() -> None:
    refined = Technique(name="refined", values={"explore_share": 0.5})
    stored = finished(ADAMW, sampler=refined).stored()
    (item,) = effort(stored.study, results(stored))
    half = stored.study.budget.trials // 2
    own = results(stored).query("stage == 'explore' and index < @half")["value"]
    assert item.trials[-1] == half
    assert item.best[0] == pytest.approx(own.mean())


def test_a_short_search_has_no_curve() -> None:
    learns = finished(ADAMW, sampler=Technique(name="tpe", values={"startup_trials": 2})).stored()
    assert effort(learns.study, results(learns)) == ()
    short = finished(ADAMW, trials=2).stored()
    assert effort(short.study, results(short)) == ()


def test_an_arm_in_which_nothing_is_over_has_no_curve() -> None:
    builder = Builder(study([ADAMW, MUON]), [ADAMW, MUON])
    assert effort(builder.study, results(builder.stored())) == ()
