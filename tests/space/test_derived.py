"""Values that follow from others."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from selector.config.decode import run_config
from selector.config.identity import plain
from selector.config.schema import RunConfig
from selector.config.technique import Technique
from selector.errors import ConfigError
from selector.space.derived import effective
from tests.report.build import config
from tests.train.defaults import defaults


def with_optimizer(name: str, **values: object) -> RunConfig:
    optimizer = Technique(name=name, values={**defaults(name), **values})  # type: ignore[dict-item]
    return replace(config(), optimizer=optimizer)


@pytest.mark.parametrize(("name", "key"), [("adamw", "beta2"), ("muon", "aux_beta2")])
def test_the_half_life_of_the_second_moment_in_tokens_is_kept(name: str, key: str) -> None:
    tokens = config().batch.tokens_per_step
    given = with_optimizer(name, **{key: 0.95, "beta2_at_batch": 16 * tokens})
    found = effective(given)[key]
    assert isinstance(found, float)

    def half_life(beta: float, tokens_per_step: int) -> float:
        return math.log(0.5) / math.log(beta) * tokens_per_step

    assert half_life(found, tokens) == pytest.approx(half_life(0.95, 16 * tokens))
    assert given.optimizer[key] == 0.95, "what is configured stays as it is"
    others = {name: value for name, value in effective(given).items() if name != key}
    assert others == {name: value for name, value in given.optimizer.values.items() if name != key}
    assert effective(with_optimizer(name)) == with_optimizer(name).optimizer.values


def refused(**model: object) -> str:
    mapping = plain(config())
    mapping["model"] |= model
    mapping["optimizer"] = {"name": "soap", "lr": 1e-3, "weight_decay": 0.0}
    with pytest.raises(ConfigError) as caught:
        run_config(mapping)
    return str(caught.value)


def test_rates_that_are_not_known_are_refused() -> None:
    text = refused(parametrization="mup")
    assert "soap has no rates under model.parametrization=mup" in text
    assert "known are those of adagrad, adam" in text
    both = refused(parametrization="per_layer_rate", tied_embeddings=True)
    assert "soap has no rates" in both
    assert "model.tied_embeddings: per_layer_rate gives an embedding a constant rate" in both
    with pytest.raises(ValueError, match=r"no rates of sgd.*expected fan_in or xavier"):
        replace(
            with_optimizer("sgd"),
            model=replace(config().model, parametrization="per_layer_rate", tied_embeddings=False),
        )


def test_a_share_that_is_meant_as_a_multiple_of_the_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"matrices lose this share in every step.*got 0\.1"):
        with_optimizer("adamw", decay_rule="independent")
    assert with_optimizer("adamw", decay_rule="independent", weight_decay=2e-4)
