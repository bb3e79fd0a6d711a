"""The contract over every sampler, and what is particular to each."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from selector.config.compose import load_yaml
from selector.config.decode import Mistakes, technique
from selector.config.locations import conf_folder
from selector.config.technique import Technique
from selector.errors import ConfigError
from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study.sampler import SAMPLERS, Ask, Past, ask_seed, make_sampler, sampler_facts
from selector.study.sampler.optuna import thinned
from selector.study.sampler.quasi_random import point
from selector.track.run import Told
from tests.contracts.sampler import PLAIN, LearningContract, SamplerContract


def make(name):
    """The sampler of a file in conf/sampler, with the settings there."""
    mapping = load_yaml(conf_folder() / "sampler" / f"{name}.yaml")
    return make_sampler(technique(mapping, "sampler", Mistakes()))


class TestRandom(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make("random")

    def test_the_logarithm_is_uniform(self, sampler):
        low = sum(values["optimizer.lr"] < 1e-3 for values in self.suggestions(sampler, 300))
        assert 75 < low < 125  # a third, by 2.5 standard deviations

    def test_other_studies_get_other_points(self, sampler):
        assert self.suggestions(sampler, 3) != self.suggestions(sampler, 3, study_seed=1)


class TestGrid(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make("grid")

    def test_every_point_once(self, sampler):
        found = [tuple(values.values()) for values in self.suggestions(sampler, 18)]
        assert len(set(found)) == 18
        assert sorted({row[0] for row in found}) == pytest.approx([1e-4, 10**-2.5, 1e-1])


class TestQuasiRandom(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make("qmc")

    @pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 6])
    def test_points_fill_the_space_more_evenly_than_random_ones(self, dimensions):
        """Centred discrepancy: how far shares of points are from shares of volume."""
        from scipy.stats import qmc

        for seed in range(5):
            own = qmc.discrepancy([point(seed, index, dimensions) for index in range(16)])
            generator = np.random.default_rng(seed)
            draws = [qmc.discrepancy(generator.random((16, dimensions))) for _ in range(40)]
            assert own < np.quantile(draws, 0.25)

    @pytest.mark.parametrize("dimensions", [2, 5])
    def test_every_sub_search_has_a_shift_of_its_own(self, dimensions):
        points = np.array([point(seed, 5, dimensions) for seed in range(2000)])
        assert points.mean(axis=0) == pytest.approx([0.5] * dimensions, abs=0.03)
        assert points.var(axis=0) == pytest.approx([1 / 12] * dimensions, abs=0.006)
        apart = np.corrcoef(points.T) - np.eye(dimensions)
        assert np.abs(apart).max() < 0.1

    def test_the_first_point_of_a_range_is_no_end(self, sampler):
        """Unshifted, every search would begin at the same end."""
        space = Space(dimensions={"x": Interval(low=0, high=1)})
        first = [self.search(sampler, space, 1, seed)[0]["x"] for seed in range(50)]
        assert 15 < sum(value < 0.5 for value in first) < 35

    def test_a_longer_search_begins_with_the_shorter_one(self, sampler):
        assert self.search(sampler, PLAIN, 20)[:8] == self.search(sampler, PLAIN, 8)


class TestRefined(LearningContract):
    @pytest.fixture
    def sampler(self):
        return make("refined")

    def test_the_first_half_is_quasi_random(self, sampler):
        found = self.search(sampler, PLAIN, 16)
        assert found[:8] == self.search(make("qmc"), PLAIN, 8)
        assert [sampler.independent(index, 16) for index in (7, 8)] == [True, False]


class TestTpe(LearningContract):
    @pytest.fixture
    def sampler(self):
        return make("tpe")


class TestGp(LearningContract):
    total, seeds = 14, 1  # a fit takes a tenth of a second

    @pytest.fixture
    def sampler(self):
        return make("gp")


class TestCmaes(LearningContract):
    @pytest.fixture
    def sampler(self):
        return make("cmaes")


def test_unknown_samplers_are_refused():
    with pytest.raises(
        ConfigError, match="unknown sampler 'nope'; known: random, grid, qmc, refined, tpe"
    ):
        make_sampler(Technique(name="nope"))


def test_seeds_of_asks_differ():
    seeds = {
        ask_seed(study, arm, sub_search, index)
        for study in range(3)
        for arm in ("a", "b")
        for sub_search in range(3)
        for index in range(10)
    }
    assert len(seeds) == 180


def test_every_sampler_has_a_file():
    from selector.config.catalogue import axes

    assert set(SAMPLERS) == set(axes()["sampler"])


def test_facts_name_settings_and_the_libraries_that_matter():
    import scipy

    facts = sampler_facts(Technique(name="refined", values={"explore_share": 0.5}))
    assert facts == {
        "name": "refined",
        "version": 1,
        "explore_share": 0.5,
        "libraries": {"numpy": np.__version__, "scipy": scipy.__version__},
    }
    assert sampler_facts(Technique(name="random"))["libraries"] == {}


def test_facts_and_planning_import_no_optuna():
    program = (
        "import sys\n"
        "from selector.config.schema import Technique\n"
        "from selector.study.sampler import SAMPLERS, Past, make_sampler, sampler_facts\n"
        "for name in SAMPLERS:\n"
        "    values = {'startup_trials': 4, 'explore_share': 0.5, 'spread': 0.3}\n"
        "    technique = Technique(name=name, values=values)\n"
        "    make_sampler(technique), sampler_facts(technique)\n"
        "assert not {'optuna', 'torch', 'scipy.stats'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_long_past_is_thinned_to_the_best_and_a_spread_of_the_rest():
    past = [
        Past(
            values={"x": place},
            told=Told(state="complete", value=float(-place % 1000), constraint=-1.0),
        )
        for place in range(3000)
    ]
    past[2990] = Past(values={"x": 2990}, told=None)
    kept = thinned(past, 500, minimize=True)
    assert 490 <= len(kept) <= 501
    assert past[2990] in kept
    best = sorted(item.told.value for item in past if item.told)[:120]
    assert sorted(item.told.value for item in kept if item.told)[:120] == best
    places = [item.values["x"] for item in kept]
    assert places == sorted(places)
    assert thinned(past[:500], 500, minimize=True) == past[:500]


def test_a_growing_past_costs_samplers_that_learn_little(monkeypatch):
    """Refined fits at most a hundred results, whatever it is given."""
    from selector.study.sampler import refined

    fitted = []
    surface = refined.Surface
    monkeypatch.setattr(
        refined,
        "Surface",
        lambda features, values: fitted.append(len(values)) or surface(features, values),
    )
    space = Space(dimensions={"x": Interval(low=0, high=1)})
    past = [
        Past(
            values={"x": place / 1000},
            told=Told(state="complete", value=float(place), constraint=-1.0),
        )
        for place in range(1000)
    ]
    make("refined").suggest(
        Ask(space=space, index=1000, past=past, seed=0, minimize=True, total=1200, search_seed=0)
    )
    assert max(fitted) == 100
