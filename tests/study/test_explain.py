"""What is behind a plan: the formula held against torch's count, rates and decays by group."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from selector.config.locations import study_file
from selector.config.schema import RunConfig
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.space.cost import flops_per_token, parameters, product_weights
from selector.study.arms import resolve
from selector.study.explain import Explained, explain
from selector.study.study import Study
from selector.train.count import counted_flops_per_token
from tests.report.build import ADAMW, study


def asked(*overrides: str) -> Study:
    return resolve(compose_study(study_file("quickstart"), overrides))


@cache
def explained_config() -> RunConfig:
    return asked("optimizer=adamw").arms[0].config


@pytest.fixture(scope="module")
def found() -> dict[str, Explained]:
    """Two arms, one of whose optimizers has two rules."""
    made = explain(asked("optimizer=adamw,muon", "budget.tokens=262144", "tune=[optimizer]"))
    return {item.arms[0]: item for item in made}


def test_the_formula_agrees_with_what_torch_counts(found):
    for item in found.values():
        assert item.ratio == pytest.approx(1, abs=0.02)
        assert 0 < item.non_embedding_parameters < item.parameters


def test_counting_costs_no_memory_however_large_the_model(found):
    config = explained_config()
    shape = replace(config.model, width=12_288, heads=96, depth=3)  # 22 GB of weights
    large = replace(config, model=shape, batch=replace(config.batch, micro_batch=512, context=2048))
    assert counted_flops_per_token(large) == pytest.approx(flops_per_token(large), rel=0.02)


@pytest.mark.parametrize(
    "switches",
    [
        {"norm": "rms", "activation": "swiglu", "position": "rope", "bias": False},
        {"kv_heads": 1, "position": "alibi", "tied_embeddings": False},
        {"parallel_block": True, "norm": "none", "logit_softcap": 30.0, "qk_norm": True},
        {"norm_place": "post", "position": "sinusoidal", "parametrization": "mup"},
    ],
)
def test_the_formula_holds_whatever_is_switched_on(switches):
    config = explained_config()
    config = replace(config, model=replace(config.model, **switches))
    assert counted_flops_per_token(config) == pytest.approx(flops_per_token(config), rel=0.02)


def test_every_parameter_has_one_rate_and_the_sums_agree(found):
    for item in found.values():
        assert sum(row.parameters for row in item.rates) == item.parameters
    rows = {row.group: row for row in found["muon"].rates}
    config = asked("optimizer=muon").arms[0].config
    rate, ratio = config.optimizer["lr"], config.optimizer["aux_lr_ratio"]
    assert (rows["hidden"].rule, rows["embedding"].rule) == ("muon", "adamw")
    assert rows["hidden"].lr == rate
    assert rows["vector"].lr == pytest.approx(rate * ratio)
    assert rows["vector"].weight_decay == 0
    assert rows["hidden"].shrinks == pytest.approx(rate * config.optimizer["weight_decay"])


def test_ranges_are_those_of_everything_that_is_tuned(found):
    rows = {row.group: row for row in found["muon"].rates}
    assert rows["hidden"].lr_range == pytest.approx((4e-3, 0.2))
    assert rows["vector"].lr_range == pytest.approx((4e-3 * 0.05, 0.2 * 0.5))
    assert rows["hidden"].weight_decay_range == pytest.approx((0.01, 0.3))
    fixed = explain(asked("optimizer=adamw", "optimizer.lr=0.003"))[0].rates[0]
    assert fixed.lr_range == (0.003, 0.003)


def test_a_run_s_length_in_steps(found):
    length = found["adamw"].length
    assert length is not None
    assert length.steps * length.tokens_per_step == length.tokens == 262_144
    assert length.warmup_steps == round(0.05 * length.steps)
    assert length.warmup_steps + length.decay_steps == length.steps - 1  # linear from the peak on


def test_growing_steps_are_counted_at_full_length_and_paid_at_the_mean():
    (item,) = explain(asked("optimizer=adamw", "batch.context_warmup=0.5"))
    assert item.ratio == pytest.approx(1, abs=0.02)
    assert item.flops_per_token < 0.99 * item.one_pass_flops_per_token
    (item,) = explain(asked("optimizer=adamw", "regularization.sam=0.05"))
    assert item.ratio == pytest.approx(1, abs=0.02)
    assert item.flops_per_token == 2 * item.one_pass_flops_per_token


def test_what_is_derived_is_said_with_its_source():
    overrides = ["optimizer=adamw", "optimizer.beta2_at_batch=524288"]
    (item,) = explain(asked(*overrides, "model.parametrization=mup", "budget.tokens=262144"))
    found = {value.name: value for value in item.derived}
    config = explained_config()
    beta = config.optimizer["beta2"]
    assert found["optimizer.beta2"].value == pytest.approx(beta ** (1024 / 524_288))
    assert "2507.07101" in found["optimizer.beta2"].because
    ratio = config.model.base_width / config.model.width
    assert found["rate of hidden"].value == pytest.approx(ratio)
    rows = {row.group: row for row in item.rates}
    assert rows["hidden"].lr == pytest.approx(ratio * rows["embedding"].lr)
    assert found["tokens a parameter"].value == pytest.approx(262_144 / product_weights(config))


def test_the_step_law_is_a_prior_and_silent_about_other_optimizers(found):
    law = found["adamw"].step_law
    assert law is not None
    assert (law.parameters, law.tokens) == (found["adamw"].non_embedding_parameters, 262_144)
    assert found["muon"].step_law is None


def test_arms_that_come_to_the_same_are_explained_together():
    (item,) = explain(asked("optimizer=adamw", "regularization.grad_clip=0.5,1.0"))
    assert len(item.arms) == 2


def test_what_has_no_known_cost_is_refused():
    with pytest.raises(ConfigError, match=r"got objective\.kind function in adamw: what a token"):
        explain(study([ADAMW], objective="function"))


def test_parameters_are_those_of_the_formula(found):
    assert found["adamw"].parameters == parameters(explained_config())
