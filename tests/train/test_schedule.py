"""Schedules at points computed by hand."""

from __future__ import annotations

import math

import pytest

from selector.config.technique import Technique
from selector.train.schedule import SCHEDULES, factors, shared_steps, warmed_like
from selector.train.schedule.warmup import warmed_steps

VALUES = {
    "constant": {"warmup": 0.1},
    "linear_to_zero": {"warmup": 0.1},
    "cosine": {"warmup": 0.1, "floor": 0.1},
    "warmup_stable_decay": {"warmup": 0.1, "decay": 0.2, "shape": "linear", "floor": 0.0},
    "inverse_sqrt": {"warmup": 0.1},
    "exponential": {"warmup": 0.1, "final": 0.01},
    "step": {"warmup": 0.1, "milestones": (0.5, 0.75), "gamma": 0.1},
    "polynomial": {"warmup": 0.1, "power": 2.0, "floor": 0.0},
    "cosine_restarts": {"warmup": 0.1, "cycles": 2, "stretch": 2.0, "floor": 0.0},
    "one_cycle": {"warmup": 0.1, "start": 0.04, "final": 4e-6, "anneal": "cosine"},
    "cyclic": {"warmup": 0.1, "cycles": 2, "floor": 0.1, "gamma": 0.5},
    "reduce_on_plateau": {"warmup": 0.1},
}
#: Its rise is a part of the curve that its paper draws, and starts above zero.
RISES_LINEARLY = [name for name in SCHEDULES if name != "one_cycle"]


@pytest.mark.parametrize("name", RISES_LINEARLY)
def test_warmup_rises_in_equal_steps_to_the_peak(name: str) -> None:
    factors = [SCHEDULES[name](step, 100, VALUES[name]) for step in range(11)]
    assert factors == pytest.approx([(step + 1) / 11 for step in range(11)])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_every_factor_is_a_positive_share_of_the_peak(name: str, warmup: float, steps: int) -> None:
    values = {**VALUES[name], "warmup": warmup}
    factors = [SCHEDULES[name](step, steps, values) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)


@pytest.mark.parametrize(
    ("name", "step", "factor"),
    [
        ("constant", 99, 1.0),
        ("linear_to_zero", 55, 0.5),
        ("linear_to_zero", 99, 1 / 90),
        ("cosine", 55, 0.55),
        ("cosine", 32, 0.1 + 0.45 * (1 + math.cos(math.pi * 22 / 90))),
        ("warmup_stable_decay", 80, 1.0),
        ("warmup_stable_decay", 90, 0.5),
        ("warmup_stable_decay", 99, 0.05),
        ("inverse_sqrt", 43, 0.5),  # four times as late as the peak at step 10, counted from 1
        ("inverse_sqrt", 98, 1 / 3),
        ("exponential", 55, 0.1),  # half way to a hundredth
        ("exponential", 99, 0.01 ** (89 / 90)),
        ("step", 49, 1.0),
        ("step", 50, 0.1),
        ("step", 74, 0.1),
        ("step", 75, 0.01),
        ("polynomial", 55, 0.25),
        ("polynomial", 82, 0.04),
        ("cosine_restarts", 25, 0.5),  # of the 30 steps of the first
        ("cosine_restarts", 40, 1.0),
        ("cosine_restarts", 70, 0.5),  # of the 60 steps of the second
        ("one_cycle", 0, 0.04),
        ("one_cycle", 5, 0.52),
        ("one_cycle", 10, 1.0),
        ("one_cycle", 55, 0.5 * (1 + 4e-6)),
        ("cyclic", 10, 1.0),  # three falls and rises of 30 steps
        ("cyclic", 25, 0.55),
        ("cyclic", 40, 0.1),
        ("cyclic", 55, 0.325),  # half way up to .1 + .9 / 2
        ("cyclic", 70, 0.55),
        ("cyclic", 85, 0.325),
        ("reduce_on_plateau", 99, 1.0),
    ],
)
def test_points_computed_by_hand(name: str, step: int, factor: float) -> None:
    assert SCHEDULES[name](step, 100, VALUES[name]) == pytest.approx(factor)


def test_the_square_root_shape_falls_faster_at_first() -> None:
    values = {**VALUES["warmup_stable_decay"], "shape": "one_minus_sqrt"}
    assert SCHEDULES["warmup_stable_decay"](85, 100, values) == pytest.approx(0.5)


def test_a_decay_that_meets_the_warmup_begins_at_its_end() -> None:
    values = {"warmup": 0.5, "decay": 0.8, "shape": "linear", "floor": 0.0}
    factors = [SCHEDULES["warmup_stable_decay"](step, 10, values) for step in range(10)]
    assert factors == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 0.8, 0.6, 0.4, 0.2])


def test_nanogpts_schedule_can_be_said() -> None:
    """Its train.py: warmup_iters 100, lr_decay_iters 2000, min_lr a tenth of learning_rate."""

    def nanogpt(step: int) -> float:
        if step < 100:
            return (step + 1) / 101
        share = (step - 100) / 1900
        return 0.1 + 0.5 * (1 + math.cos(math.pi * share)) * 0.9

    for step in range(2000):
        factor = SCHEDULES["cosine"](step, 2000, {"warmup": 0.05, "floor": 0.1})
        assert factor == pytest.approx(nanogpt(step))


def test_an_unknown_shape_is_refused() -> None:
    values = {**VALUES["warmup_stable_decay"], "shape": "square"}
    with pytest.raises(ValueError, match="linear or one_minus_sqrt, got 'square'"):
        SCHEDULES["warmup_stable_decay"](0, 10, values)


def test_a_decay_may_end_at_a_floor() -> None:
    values = {**VALUES["warmup_stable_decay"], "floor": 0.1}
    assert SCHEDULES["warmup_stable_decay"](90, 100, values) == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("steps", "warmed"),
    [(300, 30), (1000, 100), (5000, 100), (20_000, 200)],  # at most 10 %, at least 100, 1 %
)
def test_an_automatic_warmup_follows_from_the_length(steps: int, warmed: int) -> None:
    values = {"warmup": "auto"}
    assert warmed_steps(steps, values) == warmed
    factors = [SCHEDULES["constant"](step, steps, values) for step in (warmed - 1, warmed)]
    assert factors == [warmed / (warmed + 1), 1.0]


@pytest.mark.parametrize("steps", [37, 100, 997])
@pytest.mark.parametrize("cycles", [1, 3, 7])
def test_no_restart_is_missed_by_rounding(steps: int, cycles: int) -> None:
    """Every cycle of equal length begins in its first whole step, high above its end."""
    values = {"warmup": 0.0, "cycles": cycles, "stretch": 1.0, "floor": 0.0}
    length = steps / cycles
    for cycle in range(cycles):
        first = math.ceil(cycle * length - 1e-6)
        start = SCHEDULES["cosine_restarts"](first, steps, values)
        assert start == pytest.approx(0.5 * (1 + math.cos(math.pi * (first / length - cycle))))


def schedule(name: str, **changes: float) -> Technique:
    return Technique(name=name, values={**VALUES[name], **changes})


@pytest.mark.parametrize("name", RISES_LINEARLY)
@pytest.mark.parametrize("longer", [100, 101, 300, 307])
def test_a_shorter_run_can_warm_up_like_a_longer_one(name: str, longer: int) -> None:
    warmed = round(0.1 * longer)
    short = factors(warmed_like(schedule(name), 100, longer), 100)
    assert short[: warmed + 1] == factors(schedule(name), longer)[: warmed + 1]
    assert short[warmed - 1] < 1 == short[warmed]


@pytest.mark.parametrize(
    ("name", "longer", "steps"),
    [
        ("constant", 300, 100),
        ("warmup_stable_decay", 300, 81),  # the decay starts at the peak: one step more than 80
        ("warmup_stable_decay", 100, 100),
        ("linear_to_zero", 300, 31),  # 30 steps of warmup and the peak
        ("cosine", 300, 31),
        ("inverse_sqrt", 300, 100),
        ("step", 300, 50),  # its first milestone
        ("exponential", 300, 31),
        ("polynomial", 300, 31),
        ("cosine_restarts", 300, 31),
        ("one_cycle", 300, 31),
        ("cyclic", 300, 31),
        ("reduce_on_plateau", 300, 0),
    ],
)
def test_how_long_two_runs_are_the_same(name: str, longer: int, steps: int) -> None:
    assert shared_steps(schedule(name), 100, longer) == steps


def test_a_warmup_that_does_not_fit_takes_the_whole_shorter_run() -> None:
    long = schedule("constant", warmup=0.4)
    assert warmed_like(long, 100, 300).values["warmup"] == 1.0
    assert shared_steps(long, 100, 300) == 0
