"""What every sampler promises; a subclass supplies `sampler` and `space`."""

from __future__ import annotations

import pytest

from selector.space.dimension import Choices, Interval
from selector.space.space import Space
from selector.study.sampler import Past, ask_seed
from selector.track.run import Told


def told(value: float, feasible: bool = True) -> Told:
    return Told(state="complete", value=value, constraint=-1.0 if feasible else 1.0)


class SamplerContract:
    """Points inside the space, reproducible from the seed and the past alone."""

    space = Space(
        dimensions={
            "optimizer.lr": Interval(low=1e-4, high=1e-1, log=True, grid=3),
            "model.depth": Interval(low=1, high=3, step=1, integer=True),
            "schedule.floor": Choices(values=(0.0, 0.1)),
        }
    )

    @pytest.fixture
    def sampler(self):
        raise NotImplementedError

    def suggest(self, sampler, index, past, seed, total):
        return sampler.suggest(self.space, index, past, seed, True, total=total, search_seed=11)

    def suggestions(self, sampler, count, study_seed=0):
        past = []
        for index in range(count):
            seed = ask_seed(study_seed, "arm", 0, index)
            values = self.suggest(sampler, index, past, seed, count)
            feasible = values["optimizer.lr"] < 0.03
            past.append(Past(values=values, told=told(values["optimizer.lr"], feasible)))
        return [item.values for item in past]

    def test_points_lie_inside_the_space(self, sampler):
        for values in self.suggestions(sampler, 12):
            assert list(values) == list(self.space.dimensions)
            assert 1e-4 <= values["optimizer.lr"] <= 1e-1
            assert values["model.depth"] in (1, 2, 3)
            assert isinstance(values["model.depth"], int)
            assert values["schedule.floor"] in (0.0, 0.1)

    def test_the_same_seed_and_past_give_the_same_points(self, sampler):
        assert self.suggestions(sampler, 8) == self.suggestions(sampler, 8)

    def test_points_are_not_all_the_same(self, sampler):
        assert len({repr(values) for values in self.suggestions(sampler, 8)}) > 4

    def test_failures_and_running_trials_are_taken(self, sampler):
        values = self.suggestions(sampler, 4)
        past = [
            Past(values=values[0], told=Told(state="fail", value=None, constraint=1.0)),
            Past(values=values[1], told=None),
            Past(values=values[2], told=told(100.0, feasible=False)),
            Past(values=values[3], told=told(2.0)),
        ]
        found = self.suggest(sampler, 4, past, 7, 8)
        assert found == self.suggest(sampler, 4, past, 7, 8)
