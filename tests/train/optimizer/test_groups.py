"""Which parameters decay, which Muon takes, and what width and depth make of their rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from selector.config.identity import fuse_key
from selector.config.schema import RunConfig
from selector.space.derived import effective
from selector.train.optimizer.groups import Group, groups, parameters

Configure = Callable[..., RunConfig]
UNTIED = {"tied_embeddings": False}


def by_name(config: RunConfig) -> dict[str, Group]:
    return {group.name: group for group in groups(config)}


def names(group: Group) -> set[str]:
    return {parameter.name for parameter in group.parameters}


@pytest.mark.parametrize("decay", [1.0, 0.8])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_parameter_is_in_one_group(
    configure: Configure, optimizer: str, decay: float
) -> None:
    config = configure(optimizer, model=UNTIED, regularization={"layer_rate_decay": decay})
    found = [parameter.name for group in groups(config) for parameter in group.parameters]
    assert len(found) == len(set(found))
    assert set(found) == {parameter.name for parameter in parameters(config)}


def test_matrices_decay_vectors_do_not_and_embeddings_if_wanted(configure: Configure) -> None:
    config = configure("adamw", model=UNTIED)
    assert {name: group.decay for name, group in by_name(config).items()} == {
        "hidden": 1,
        "head": 1,
        "embedding": 1,
        "vector": 0,
    }
    spared = configure("adamw", {"decay_embeddings": False}, model=UNTIED)
    assert by_name(spared)["embedding"].decay == 0
    assert by_name(spared)["head"].decay == 1
    assert fuse_key(spared) != fuse_key(config), "it changes where a bank's rows are cut"
    assert names(by_name(config)["embedding"]) == {"token_embedding", "position_embedding"}
    tied = by_name(configure("adamw"))
    assert "head" not in tied, "the table is the head"


def test_muon_takes_hidden_matrices_alone(configure: Configure) -> None:
    config = configure(
        "muon", {"aux_lr_ratio": 0.25, "lr": 0.02, "weight_decay": 0.1}, model=UNTIED
    )
    found = by_name(config)
    assert {name: group.rule for name, group in found.items()} == {
        "hidden": "muon",
        "head": "adamw",
        "embedding": "adamw",
        "vector": "adamw",
    }
    assert names(found["hidden"]) == {
        f"{block}.{name}.weight"
        for block in (0, 1)
        for name in ("qkv", "attention_out", "mlp_in", "mlp_out")
    }
    values = effective(config)
    assert found["head"].peak_rate(values) == pytest.approx(0.005)
    assert found["head"].peak_decay(values) == pytest.approx(0.0005)
    assert found["vector"].peak_decay(values) == 0


RATES: dict[tuple[str, str], dict[str, float]] = {
    ("adamw", "mup"): {"hidden": 0.25, "head": 1, "embedding": 1, "vector": 1},
    ("lion", "mup"): {"hidden": 0.25, "head": 1, "embedding": 1, "vector": 1},
    ("adamw", "per_layer_rate"): {"hidden": 0.25, "head": 0.25, "embedding": 1, "vector": 1},
    ("sgd", "mup"): {"hidden": 1, "head": 4, "embedding": 4, "vector": 4},
    ("muon", "per_layer_rate"): {"hidden": 1, "head": 0.125, "embedding": 0.5, "vector": 0.5},
    ("sgd", "per_layer_rate"): {"hidden": 0.5, "head": 0.25, "embedding": 2, "vector": 2},
    ("muon", "mup"): {"hidden": 1, "head": 0.5, "embedding": 0.5, "vector": 0.5},
}


@pytest.mark.parametrize(("optimizer", "parametrization"), RATES)
def test_rates_follow_the_width(configure: Configure, optimizer: str, parametrization: str) -> None:
    shape = {
        **UNTIED,
        "parametrization": parametrization,
        "base_width": 16,
        "initialization": "fan_in",
    }
    values = {"aux_lr_ratio": 0.5} if optimizer == "muon" else {}

    def rates(width: int, **model: Any) -> dict[str, float]:
        config = configure(optimizer, values, model={**shape, "width": width, **model})
        return {name: group.rate for name, group in by_name(config).items()}

    assert rates(64) == pytest.approx(RATES[optimizer, parametrization])
    same = rates(64, parametrization="standard")
    assert same == rates(16), "at the base width they are all alike"


def test_decay_does_not_fall_with_the_width(configure: Configure) -> None:
    shape = {"parametrization": "mup", "base_width": 16, "width": 64}
    config = configure("adamw", {"lr": 1e-2, "weight_decay": 0.1}, model=shape)
    hidden, values = by_name(config)["hidden"], effective(config)
    assert hidden.peak_rate(values) == pytest.approx(1e-2 / 4)
    assert hidden.peak_decay(values) == pytest.approx(1e-3)
    free = configure("adamw", {"decay_rule": "independent", "weight_decay": 1e-4}, model=shape)
    assert by_name(free)["hidden"].peak_decay(effective(free)) == 1e-4


def test_torchs_matched_scale_grows_with_the_root_of_the_width(configure: Configure) -> None:
    shape = {"parametrization": "mup", "base_width": 16, "width": 64}
    config = configure("muon", {"scale": "match_rms_adamw"}, model=shape)
    assert by_name(config)["hidden"].rate == pytest.approx(0.5)


def test_rates_fall_towards_the_input_by_block(configure: Configure) -> None:
    config = configure("adamw", model={"depth": 3}, regularization={"layer_rate_decay": 0.5})
    found = {group.name: (group.rate, group.decay) for group in groups(config)}
    assert found == {
        "hidden.0": (0.125, 0.125),
        "hidden.1": (0.25, 0.25),
        "hidden.2": (0.5, 0.5),
        "embedding": (0.0625, 0.0625),
        "vector.0": (0.125, 0),
        "vector.1": (0.25, 0),
        "vector.2": (0.5, 0),
        "vector": (1, 0),
    }
