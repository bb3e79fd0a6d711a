"""What the benchmark of rungs claims, on fewer studies; and that its pruning is what it says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.method.rungs import (
    LONG,
    SHORT,
    SUBSET,
    Configuration,
    configurations,
    pruned,
    pruners,
    resampled,
    rungs,
    score,
)

FOLDER = Path(__file__).parents[2] / "../shared/tables/lr_scheduling"
needs_tables = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the published tables (../shared/tables) are not here"
)


def configuration(final: float, early: float | None = None) -> Configuration:
    """One whose curve is flat at `early` (its final loss) until the last step."""
    made = Configuration(shape="flat", rate=1.0)
    made.losses[SHORT], made.losses[LONG] = [final], [final]
    made.curve = [(0, final if early is None else early), (LONG, final)]
    made.truth = final
    return made


def test_rungs_promote_the_best_and_one_at_random_and_pay_for_both_lengths():
    study = [configuration(3.0 + place / 10) for place in range(9)]
    spent = [rungs(study, random.Random(seed)) for seed in range(40)]
    assert all(item.finished[:2] == study[:2] and len(item.finished) == 3 for item in spent)
    assert len({id(item.finished[2]) for item in spent}) > 3
    assert {item.iterations for item in spent} == {9 * SHORT + 3 * LONG}


def test_pruning_keeps_what_looks_good_early_and_stops_at_the_budget():
    make = pruners()["median, 2 trials first, from 15000 on"]
    study = [configuration(3.0), configuration(3.1), configuration(3.5), configuration(2.9)]
    spent = pruned(study, make)
    assert spent.finished == [study[0], study[1], study[3]]
    assert spent.iterations == 3 * LONG + 15_000
    misled = [study[0], study[1], configuration(2.5, early=3.9)]
    found = score([(misled, pruned(misled, make))])
    assert found["found"] == 0
    assert found["regret"] == pytest.approx(0.5)
    assert pruned(study, make, budget=1.5 * LONG).finished == study[:1]


@needs_tables
def test_rungs_find_the_best_where_pruning_of_mixed_schedules_loses_it():
    pool = [item for item in configurations(FOLDER) if SHORT in item.losses and item.curve]
    assert len(pool) == 20
    studies = [resampled(pool, SUBSET, random.Random(seed)) for seed in range(40)]
    done = [(study, rungs(study, random.Random(0))) for study in studies]
    kept, budget = score(done)["found"], done[0][1].iterations
    assert kept >= 0.8
    for name in ("median, 5 trials first, from 15000 on", "Hyperband, least 5000"):
        make = pruners()[name]
        lost = score((study, pruned(study, make, budget)) for study in studies)["found"]
        assert kept - lost >= 0.3, name
