"""Whether the search had a chance, planted and not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from selector.report.health.remedy import widened
from selector.report.health.search import spearman
from selector.space.dimension import Interval
from selector.track.run import Result, Run
from tests.report.build import ADAMW, METRIC, MUON, Builder, Surface, finished, study
from tests.report.health.planted import found


def test_the_best_at_an_edge_asks_for_a_wider_range() -> None:
    low = Surface(name="lion", rate=1e-5)
    (finding,) = found(finished(ADAMW, low, noise=0.001), "best at an edge")
    assert finding.arm == "lion"
    assert "low end of the range of optimizer.lr (0.0003 to 0.03)" in finding.text
    assert finding.remedy == (
        "selector run optimizers 'optimizer.lr=tag(log,interval(3e-05,0.03))' name=optimizers_wider"
    )


def test_a_range_that_would_not_fit_the_other_arms_leaves_them_out() -> None:
    high = Surface(name="muon", rate=0.5, low=2e-3, high=6e-2, cliff=1.0)
    (finding,) = found(finished(ADAMW, high, noise=0.001, trials=40), "best at an edge")
    assert finding.remedy.startswith("selector run optimizers optimizer=muon 'optimizer.lr=")


def test_ranges_are_widened_inside_their_limits() -> None:
    rate = Interval(low=1e-3, high=1e-1, log=True)
    assert widened("optimizer.lr", rate, "high") == "tag(log,interval(0.001,1))"
    assert widened("optimizer.lr", rate, "low") == "tag(log,interval(0.0001,0.1))"
    share = Interval(low=0.0, high=0.2)
    assert widened("regularization.dropout", share, "high") == "interval(0,0.3)"
    assert widened("regularization.dropout", share, "low") is None
    assert widened("optimizer.momentum", Interval(low=0.9, high=0.99), "high") is None
    width = Interval(low=2, high=6, integer=True)
    assert widened("model.depth", width, "high") == "interval(2,8)"


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


def with_rungs(correlated: bool) -> Builder:
    """Every trial ran on a rung too, whose values agree with the whole runs or have no meaning."""
    built = finished(ADAMW, MUON, trials=16)
    for item in list(built.record.runs("explore")):
        assert item.trial
        assert item.result
        seed = item.run.seed
        key = built.record.run_key(item.trial, "rung1", seed)
        run = Run(key=key, config=item.run.config, stage="rung1", seed=seed, tokens=100_000)
        built.record.ask(run, item.trial)
        luck = random.Random(item.trial.number)
        value = (item.result.value or 2.5) + 0.3 if correlated else luck.random()
        short = Result(
            outcome=item.result.outcome, value=value, metrics={METRIC: value}, steps=100,
            seconds=4.0, error="", facts={},
        )  # fmt: skip
        built.record.finish(key, short)
    return built


def test_rungs_that_rank_otherwise_than_whole_runs_are_said() -> None:
    both = found(with_rungs(correlated=False), "rungs mislead")
    assert [item.arm for item in both] == ["adamw", "muon"]
    assert both[0].remedy == "selector run optimizers budget.rungs=never name=optimizers_whole"
    assert "hardly agree (rank correlation " in both[0].text
    assert not found(with_rungs(correlated=True), "rungs mislead")


@pytest.mark.parametrize(
    ("pairs", "rank"),
    [
        ([(1, 1), (2, 4), (3, 9), (4, 16)], 1.0),
        ([(1, 3), (2, 2), (3, 1)], -1.0),
        ([(1, 1), (2, 3), (3, 2), (4, 4)], 0.8),  # 1 - 6 * 2 / (4 * 15)
        ([(1, 1), (1, 2), (2, 3)], 0.8660254037844387),  # ties at their mean rank, by hand
    ],
)
def test_spearman_by_hand(pairs: list[tuple[float, float]], rank: float) -> None:
    assert spearman(pairs) == pytest.approx(rank)


def test_spearman_of_a_constant_says_nothing() -> None:
    assert spearman([(1, 2), (2, 2), (3, 2)]) is None
    assert spearman([(1, 2), (2, 1)]) is None
