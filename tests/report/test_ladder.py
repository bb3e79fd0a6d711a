from __future__ import annotations

from dataclasses import replace

import pytest

from selector.report.ladder import Ladder, ladders
from selector.space.cost import (
    flops_per_token,
    non_embedding_parameters,
    parameters,
    product_weights,
)
from selector.study.answer import answer
from tests.report.build import ADAMW, MUON, study
from tests.report.ladders import MODELS, PICO, TOKENS, climbed, ladder_study


def only(made) -> Ladder:
    (found,) = ladders(made, None)
    return found


def test_an_ordinary_study_has_none() -> None:
    assert ladders(study([ADAMW, MUON]), None) == ()
    assert ladders(study([ADAMW]), None) == ()
    assert ladders(study([ADAMW, MUON], objective="function"), None) == ()


def test_sizes_and_lengths_make_one_in_order() -> None:
    made = ladder_study()
    found = only(replace(made, arms=made.arms[::-1]))
    assert found.name == ""
    assert [(rung.arm.config.model.name, rung.tokens) for rung in found.rungs] == [
        (model.name, tokens) for model in MODELS for tokens in TOKENS
    ]
    assert found.known == ()


def test_every_technique_has_its_own() -> None:
    found = ladders(ladder_study(optimizers=("adamw", "lion")), None)
    assert [(ladder.name, len(ladder.rungs)) for ladder in found] == [("adamw", 9), ("lion", 9)]


def test_models_that_differ_in_more_than_size_are_no_ladder() -> None:
    bare = replace(PICO, name="bare", bias=False, depth=4)
    assert ladders(ladder_study(models=(PICO, bare), tokens=(1000,)), None) == ()
    assert len(ladders(ladder_study(models=(PICO, replace(PICO, depth=4)), tokens=(1,)), None)) == 1


def test_sizes_are_counted_as_said() -> None:
    config = ladder_study().arms[0].config
    # Two blocks of 12 width^2 and a projection to 256 bytes.
    assert product_weights(config) == 2 * 12 * 64**2 + 256 * 64
    assert parameters(config) - non_embedding_parameters(config) == (256 + 128) * 64
    rung = only(ladder_study()).rungs[0]
    assert (rung.size, rung.parameters) == (product_weights(config), parameters(config))
    assert rung.flops == rung.tokens * flops_per_token(config)
    assert flops_per_token(config) == 6 * rung.size + 12 * 2 * 64 * 128


def test_the_cost_of_a_token_is_a_power_of_size() -> None:
    found = only(ladder_study())
    factor, power = found.cost()
    assert 0.9 < power < 1
    for rung in found.rungs:
        assert factor * rung.size**power == pytest.approx(rung.flops / rung.tokens, rel=0.05)
    alone = only(ladder_study(models=(PICO,)))
    factor, power = alone.cost()
    assert power == 1
    assert factor * alone.rungs[0].size == pytest.approx(flops_per_token(alone.rungs[0].arm.config))


def test_equal_compute_makes_budgets() -> None:
    built = climbed(ladder_study(equal_flops=True))
    found = answer(built.study, built.record)
    budgets = ladders(built.study, found.verdict)[0].budgets()
    assert [len(budget.sizes) for budget in budgets] == [3, 3, 3]
    assert budgets[1].flops == pytest.approx(4 * budgets[0].flops, rel=0.01)


def test_the_noise_is_that_of_a_rungs_mean() -> None:
    built = climbed()
    found = answer(built.study, built.record)
    assert found.verdict is not None
    (ladder,) = ladders(built.study, found.verdict)
    noise, freedom = ladder.noise()
    assert freedom == 9 * 3
    assert noise is not None
    # Two verdict seeds of sd .005 in each of four sub-searches, and the search's own luck.
    assert 0.005 / 8**0.5 * 0.7 < noise < 0.02
    assert [rung.loss for rung in ladder.rungs] == [
        pytest.approx(found.verdict.estimates[rung.arm.name].mean) for rung in ladder.rungs
    ]
