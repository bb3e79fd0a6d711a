"""What every sampler promises; a subclass supplies `sampler`."""

from __future__ import annotations

import math
import warnings

import pytest

from selector.space.dimension import Choices, Condition, Interval
from selector.space.space import Space
from selector.study.sampler import Ask, Past, ask_seed
from selector.track.run import Told

PLAIN = Space(
    dimensions={
        "optimizer.lr": Interval(low=1e-4, high=1e-1, log=True, grid=3),
        "model.depth": Interval(low=1, high=3, step=1, integer=True),
        "schedule.floor": Choices(values=(0.0, 0.1)),
    }
)
#: Every kind of range, with ends that a sampler must neither leave out nor pass.
RANGES = Space(
    dimensions={
        "plain": Interval(low=-1.5, high=2.5, grid=2),
        "log": Interval(low=1e-5, high=1e-1, log=True, grid=2),
        "stepped": Interval(low=0.1, high=0.75, step=0.2),
        "whole": Interval(low=2, high=5, integer=True, grid=4),
        "whole_log": Interval(low=1, high=64, log=True, integer=True, grid=2),
        "whole_step": Interval(low=2, high=9, step=3, integer=True),
        "mixed": Choices(values=(1, True, "1", 1.5)),
        "single": Choices(values=("only",)),
    }
)
#: Conditions on a choice, on a whole number, and on a key that has a condition itself; declared
#: before what they depend on.
CONDITIONAL = Space(
    dimensions={
        "o.decay": Interval(
            low=0.1, high=0.3, step=0.1, when=(Condition(key="o.nesterov", values=(True,)),)
        ),
        "o.kind": Choices(values=("sgd", "muon")),
        "o.nesterov": Choices(
            values=(True, False), when=(Condition(key="o.kind", values=("sgd",)),)
        ),
        "o.steps": Interval(low=1, high=3, step=1, integer=True),
        "o.ratio": Interval(
            low=0.1,
            high=10,
            log=True,
            grid=2,
            when=(
                Condition(key="o.kind", values=("muon",)),
                Condition(key="o.steps", values=(2, 3)),
            ),
        ),
    }
)


def told(value: float, feasible: bool = True) -> Told:
    return Told(state="complete", value=value, constraint=-1.0 if feasible else 1.0)


class SamplerContract:
    """Points inside the space, reproducible from the seeds and the past alone."""

    #: Trials of the sub-search that tests play.
    total = 12

    @pytest.fixture
    def sampler(self):
        raise NotImplementedError

    def suggest(self, sampler, space, past, study_seed=0, total=None, minimize=True):
        index = len(past)
        return sampler.suggest(
            Ask(
                space=space,
                index=index,
                past=past,
                seed=ask_seed(study_seed, "arm", 0, index),
                minimize=minimize,
                total=total or self.total,
                search_seed=ask_seed(study_seed, "arm", 0, 0),
            )
        )

    def search(self, sampler, space, count=None, study_seed=0, loss=None, minimize=True):
        """The values of a whole sub-search; without `loss` told something of no meaning."""
        past = []
        count = count or self.total
        for index in range(count):
            values = self.suggest(sampler, space, past, study_seed, count, minimize)
            value = loss(values) if loss else math.sin(index)
            past.append(Past(values=values, told=told(value, feasible=value < 50)))
        return [item.values for item in past]

    def suggestions(self, sampler, count, study_seed=0):
        return self.search(
            sampler,
            PLAIN,
            count,
            study_seed,
            lambda values: values["optimizer.lr"] * (1000 if values["optimizer.lr"] > 0.06 else 1),
        )

    def test_points_lie_inside_the_space(self, sampler):
        for values in self.suggestions(sampler, 12):
            assert list(values) == list(PLAIN.dimensions)
            assert 1e-4 <= values["optimizer.lr"] <= 1e-1
            assert values["model.depth"] in (1, 2, 3)
            assert isinstance(values["model.depth"], int)
            assert values["schedule.floor"] in (0.0, 0.1)

    def test_every_kind_of_range_has_one_meaning(self, sampler):
        kinds = {"whole": int, "whole_log": int, "whole_step": int, "single": str}
        for values in self.search(sampler, RANGES, 24):
            assert list(values) == list(RANGES.dimensions)
            for key, item in RANGES.dimensions.items():
                assert item.has(values[key]), (key, values[key])
                assert type(values[key]) is kinds.get(key, type(values[key]))
            assert type(values["plain"]) is float
            assert values["stepped"] in [0.1, 0.1 + 0.2, 0.1 + 2 * 0.2, 0.1 + 3 * 0.2]

    def test_keys_are_there_where_their_conditions_hold(self, sampler):
        found = self.search(sampler, CONDITIONAL, 17)  # the size of its grid
        for values in found:
            assert ("o.nesterov" in values) is (values["o.kind"] == "sgd")
            assert ("o.decay" in values) is (values.get("o.nesterov") is True)
            assert ("o.ratio" in values) is (values["o.kind"] == "muon" and values["o.steps"] > 1)
            assert list(values) == [key for key in CONDITIONAL.dimensions if key in values]
        assert {values["o.kind"] for values in found} == {"sgd", "muon"}
        assert any("o.ratio" in values for values in found)
        assert any("o.decay" in values for values in found)

    def test_the_same_seeds_and_past_give_the_same_points(self, sampler):
        for space in (PLAIN, CONDITIONAL):
            assert self.search(sampler, space, 10) == self.search(sampler, space, 10)

    def test_points_are_not_all_the_same(self, sampler):
        assert len({repr(values) for values in self.suggestions(sampler, 8)}) > 4

    def test_what_is_independent_needs_no_past(self, sampler):
        whole = self.search(sampler, CONDITIONAL)
        for index, values in enumerate(whole):
            if sampler.independent(index, self.total):
                again = sampler.suggest(
                    Ask(
                        space=CONDITIONAL,
                        index=index,
                        past=[],
                        seed=ask_seed(0, "arm", 0, index),
                        minimize=False,
                        total=self.total,
                        search_seed=ask_seed(0, "arm", 0, 0),
                    )
                )
                assert again == values
        assert sampler.learns == (not sampler.independent(self.total - 1, self.total))

    def test_failures_and_running_trials_are_taken(self, sampler):
        values = self.suggestions(sampler, 8)
        past = [
            Past(values=values[0], told=Told(state="fail", value=None, constraint=1.0)),
            Past(values=values[1], told=None),
            Past(values=values[2], told=told(100.0, feasible=False)),
            Past(values=values[3], told=told(2.0)),
            Past(values=values[4], told=told(2.5)),
            Past(values=values[5], told=told(2.25)),
            Past(values=values[6], told=None),
            Past(values=values[7], told=told(1.75)),
        ]
        found = self.suggest(sampler, PLAIN, past)
        assert found == self.suggest(sampler, PLAIN, past)
        assert all(item.has(found[key]) for key, item in PLAIN.dimensions.items())

    def test_observations_from_elsewhere_may_lie_outside_the_space(self, sampler):
        own = self.suggestions(sampler, 8)
        past = [Past(values=values, told=told(float(place))) for place, values in enumerate(own)]
        elsewhere = [
            {**own[0], "optimizer.lr": 10.0},
            {**own[1], "schedule.floor": 0.7},
            {**own[2], "optimizer.other": 1.0},
            {"model.depth": 2},
        ]
        known = [Past(values=values, told=told(1.0)) for values in elsewhere]
        seeds = {"seed": ask_seed(0, "arm", 0, 8), "search_seed": ask_seed(0, "arm", 0, 0)}
        seeds["total"] = 12
        asked = Ask(space=PLAIN, index=8, past=[*known, *past], minimize=True, **seeds)
        found = sampler.suggest(asked)
        assert PLAIN.holds(found)

    @pytest.mark.parametrize("told_all", [told(100.0, feasible=False), told(2.0), None])
    def test_results_that_say_nothing_are_taken(self, sampler, told_all):
        past = []
        for _ in range(self.total):
            values = self.suggest(sampler, PLAIN, past)
            past.append(Past(values=values, told=told_all))

    def test_many_dimensions(self, sampler):
        space = Space(
            dimensions={f"k{place}": Interval(low=0, high=1, grid=2) for place in range(12)}
        )
        for values in self.search(sampler, space):
            assert all(0 <= value <= 1 for value in values.values())

    def test_nothing_is_warned_of(self, sampler):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.search(sampler, CONDITIONAL)


class LearningContract(SamplerContract):
    """What is further promised by a sampler that learns from results."""

    total = 32
    #: Sub-searches that tests of learning play.
    seeds = 3

    @pytest.mark.parametrize("minimize", [True, False])
    def test_it_learns(self, sampler, minimize):
        """In a bowl, the last points lie nearer the middle than those that know nothing."""
        space = Space(
            dimensions={
                "x": Interval(low=1e-4, high=1.0, log=True),
                "y": Interval(low=0.0, high=1.0),
            }
        )

        def distance(values):
            return (math.log10(values["x"]) + 3) ** 2 / 16 + (values["y"] - 0.6) ** 2

        def loss(values):
            return (1 if minimize else -1) * (2 + distance(values))

        late = []
        for seed in range(self.seeds):
            found = self.search(sampler, space, self.total, seed, loss, minimize)
            late += [distance(values) for values in found[-self.total // 4 :]]
        late.sort()
        assert late[len(late) // 2] < 0.16  # of points that know nothing: 0.27

    def test_it_keeps_away_from_what_cannot_be_trained(self, sampler):
        """The best lies a tenth below a cliff: few late points fall over it."""
        space = Space(dimensions={"x": Interval(low=0.0, high=1.0)})

        def loss(values):
            return 100.0 if values["x"] > 0.5 else (values["x"] - 0.4) ** 2

        late = []
        for seed in range(self.seeds):
            late += self.search(sampler, space, self.total, seed, loss)[-self.total // 2 :]
        fallen = sum(values["x"] > 0.5 for values in late)
        assert fallen <= 0.4 * len(late)  # random: half
