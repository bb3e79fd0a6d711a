"""The simulator of whole studies: its truth is what it says, and it decides as the package does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.method.search import Plan, choose, search
from benchmarks.method.simulate import BEST, conclude, units
from benchmarks.method.surfaces import CLIFF, FAMILIES, SEED_SD, excess, optima
from selector.study.sub_search import SubSearch


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_surface_is_lowest_at_its_optimum(family, dims):
    draw = np.random.default_rng(0)
    centres = optima(500, dims, draw)
    assert (excess(family, centres, centres) == 0).all()
    assert (excess(family, draw.random((500, dims)), centres) >= 0).all()


def test_beyond_the_cliff_training_diverges():
    centre = np.array([0.5])
    assert np.isinf(excess("asymmetric", centre + CLIFF + 0.01, centre))
    assert np.isfinite(excess("asymmetric", centre - 0.4, centre))


def test_the_finalist_is_the_one_a_sub_search_would_choose():
    draw = np.random.default_rng(1)
    explored, screened = draw.normal(size=(50, 16)), draw.normal(size=(50, 16))
    explored[::5, :14] = np.inf
    study = SimpleNamespace(minimize=True, budget=SimpleNamespace(screen=2), screens=True)
    for row, index in enumerate(choose(explored, screened, 2)):
        own = SubSearch(study=study, arm=None, number=0, total=16, trials=list(range(16)))
        own.values = {i: v for i, v in enumerate(explored[row].tolist()) if np.isfinite(v)}
        own.screens = {i: float(screened[row, i]) for i in own.candidates()}
        assert own.leader() == index


@pytest.mark.parametrize("sampler", ["random", "qmc", "refined"])
def test_a_searchs_finalist_is_one_of_its_points(sampler):
    centres = np.full((4, 2), 0.5)
    found = search(Plan(sampler=sampler), "asymmetric", centres, seed=3)
    rows = np.arange(4)
    truth = excess("asymmetric", found.points, centres[:, None])
    assert (found.excess == truth[rows, found.finalist]).all()
    assert (np.isinf(truth) == np.isinf(found.values)).all()
    again = search(Plan(sampler=sampler), "asymmetric", centres, seed=3)
    assert (again.points == found.points).all()


def test_arms_share_the_luck_of_their_seeds():
    finalists = np.zeros((4000, 2, 4))
    apart = units(Plan(), finalists, seed=1)
    shared = units(Plan(correlation=0.5), finalists, seed=1)
    for values, expected in ((apart, 0.0), (shared, 0.5)):
        assert values.std() == pytest.approx(SEED_SD / 3**0.5, rel=0.03)
        found = np.corrcoef(values[:, 0].ravel(), values[:, 1].ravel())[0, 1]
        assert found == pytest.approx(expected, abs=0.03)


def test_a_study_stops_at_the_look_that_settles_it():
    draw = np.random.default_rng(2)
    clear = BEST + 0.001 * draw.normal(size=(2, 8))
    clear[1] -= 0.1
    assert (conclude(clear, (4, 8)).winner, conclude(clear, (4, 8)).units) == (1, 4)
    same = BEST + np.tile([0.01, -0.01], (2, 4))
    assert (conclude(same, (4, 8)).winner, conclude(same, (4, 8)).units) == (None, 8)
    clear[1, 2] = np.inf  # a sub-search that found nothing bars a winner
    assert conclude(clear, (4, 8)).winner is None
