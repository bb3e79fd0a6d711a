"""The contract over every sampler, and what is particular to each."""

from __future__ import annotations

import pytest

from selector.config.schema import Technique
from selector.errors import ConfigError
from selector.study.sampler import SAMPLERS, ask_seed, make_sampler
from tests.contracts.sampler import SamplerContract


class TestRandom(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make_sampler(Technique(name="random"))

    def test_the_logarithm_is_uniform(self, sampler):
        low = sum(values["optimizer.lr"] < 1e-3 for values in self.suggestions(sampler, 300))
        assert 75 < low < 125  # a third, by 2.5 standard deviations

    def test_other_studies_get_other_points(self, sampler):
        assert self.suggestions(sampler, 3) != self.suggestions(sampler, 3, study_seed=1)


class TestGrid(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make_sampler(Technique(name="grid"))

    def test_every_point_once(self, sampler):
        found = [tuple(values.values()) for values in self.suggestions(sampler, 18)]
        assert len(set(found)) == 18
        assert sorted({row[0] for row in found}) == pytest.approx([1e-4, 10**-2.5, 1e-1])


class TestTpe(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make_sampler(Technique(name="tpe", values={"startup_trials": 4}))

    def test_it_learns(self, sampler):
        late = [values["optimizer.lr"] for values in self.suggestions(sampler, 40)[20:]]
        assert sum(rate < 1e-3 for rate in late) > 12  # random: 7 of 20


def test_unknown_samplers_are_refused():
    with pytest.raises(ConfigError, match="unknown sampler 'nope'; known: random, grid, qmc"):
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


class TestQuasiRandom(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make_sampler(Technique(name="qmc"))


class TestRefined(SamplerContract):
    @pytest.fixture
    def sampler(self):
        return make_sampler(Technique(name="refined", values={"share": 0.5}))
