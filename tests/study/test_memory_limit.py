"""A region that does not fit into the memory is met, learnt, and left alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from selector.config.technique import Technique
from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study.loop import run_study
from selector.study.memory_limit import limit
from selector.track.record import Record
from selector.track.run import Outcome
from selector.track.store import MemoryStore
from selector.track.tracker import MemoryTracker
from tests.report.build import config as small_config
from tests.study.replayed import launcher, small_study

RATE = Interval(low=1e-4, high=1e-1, log=True)
WIDTH = Interval(low=32, high=1024, step=32, integer=True)
#: What is tuned, whether a run fits, and a loss that pulls towards what does not.
REGIONS = {
    "a built-in model": (
        Space(dimensions={"optimizer.lr": RATE, "model.width": WIDTH}),
        lambda run: run.config.model.width <= 512,
        lambda run: 5 - 0.3 * math.log(run.config.model.width),
    ),
    "a function": (
        Space(dimensions={"optimizer.lr": RATE, "optimizer.weight_decay": replace(RATE, high=1.0)}),
        lambda run: run.config.optimizer["weight_decay"] <= 0.05,
        lambda run: 5 - 0.3 * math.log(run.config.optimizer["weight_decay"]),
    ),
}
SAMPLERS = [
    ("refined", {"explore_share": 0.5}),
    ("tpe", {"startup_trials": 8}),
    ("random", {}),
    pytest.param("gp", {"startup_trials": 8}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("sampler", "values"), SAMPLERS)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_planted_region_is_drawn_at_most_twice_again(region, sampler, values, seed):
    space, fits, value = REGIONS[region]
    study = small_study(
        trials=16, seed=seed, sampler=Technique(name=sampler, values=values), verdict_seeds=1
    )
    (arm, *_) = study.arms
    if region == "a function":
        arm = replace(arm, config=small_config(objective="function"))
    study = replace(study, arms=(replace(arm, space=space),))
    record = Record(MemoryStore())
    ends = launcher(lambda run: Outcome.COMPLETE if fits(run) else Outcome.OUT_OF_MEMORY, value)
    run_study(study, record, ends, MemoryTracker())
    outcomes = [item.result.outcome for item in record.runs("explore")]
    assert len(outcomes) == 32
    again = Counter(
        item.trial.sub_search
        for item in list(record.runs("explore"))
        if item.result.outcome is Outcome.OUT_OF_MEMORY
    )
    assert again, "the planted region was never met"
    assert max(again.values()) - 1 <= 2
    points = {tuple(trial.values.values()) for trial in record.trials.values()}
    assert len(points) > 24  # and the rest of the space is searched on


@pytest.mark.parametrize(
    ("failed", "fitted", "allowed"),
    [
        ([8.0], [1.0], math.inf),  # another program may have held the memory
        ([8.0, 6.0], [2.0], 4.0),
        ([8.0, 6.0, 5.0], [2.0], 2.75),
        ([8.0, 6.0], [], 3.0),
        ([8.0, 6.0, 5.0], [7.0], math.inf),  # more than two of them needed has fitted
        ([], [], math.inf),
    ],
)
def test_how_many_failures_bound_what_is_drawn(failed, fitted, allowed):
    assert limit(failed, fitted) == allowed


def test_where_nothing_fits_the_smallest_is_tried():
    study = small_study(trials=8, max_failed_share=1.0, sampler=Technique(name="random", values={}))
    space = Space(dimensions={"model.width": WIDTH})
    study = replace(study, arms=(replace(study.arms[0], space=space),))
    record = Record(MemoryStore())
    run_study(study, record, launcher(lambda run: Outcome.OUT_OF_MEMORY), MemoryTracker())
    widths = [trial.config.model.width for trial in record.trials.values()]
    assert len(widths) == 16
    assert max(widths[4:]) <= 96 < min(widths[:2])
