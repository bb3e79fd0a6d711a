"""The decoder with each of its switches against the same model written as torch modules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from selector.config.model import Model
from selector.config.schema import RunConfig
from selector.space import cost
from selector.train.bank import Bank
from selector.train.layout import Layout
from selector.train.model.decoder import parameters
from tests.train.model.plain import PlainDecoder

LLAMA = {"norm": "rms", "position": "rope", "activation": "swiglu", "bias": False}
#: Switches, and (heads, kv_heads, hidden) that they come to at width 16 unless told otherwise.
CASES: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
    ({}, (2, 2, 64)),
    ({"bias": False}, (2, 2, 64)),
    ({"tied_embeddings": False, "activation": "relu"}, (2, 2, 64)),
    ({"qk_norm": True, "activation": "relu2", "mlp_ratio": 3, "bias": False}, (2, 2, 48)),
    (LLAMA, (2, 2, 40)),
    ({**LLAMA, "heads": 4, "kv_heads": 2, "tied_embeddings": False}, (4, 2, 40)),
    ({**LLAMA, "bias": True, "qk_norm": True, "mlp_ratio": 2.6667}, (2, 2, 40)),
    ({"kv_heads": 1, "position": "alibi"}, (2, 1, 64)),
    ({"width": 24, "heads": 3, "position": "alibi", "activation": "tanh"}, (3, 3, 96)),
    ({"position": "sinusoidal", "norm_place": "post", "activation": "sigmoid"}, (2, 2, 64)),
    ({"norm": "rms", "norm_place": "post", "parallel_block": True}, (2, 2, 64)),
    ({"parallel_block": True, "logit_softcap": 15.0, "position": "none"}, (2, 2, 64)),
    ({"norm": "none", "logit_softcap": 0.1}, (2, 2, 64)),
    ({"heads": "auto", "head_size": 4, "parametrization": "mup", "base_width": 8}, (4, 4, 64)),
    (
        {**LLAMA, "parametrization": "mup", "base_width": 4, "tied_embeddings": False},
        (2, 2, 40),
    ),
    ({"position": "sinusoidal", "parametrization": "mup", "base_width": 64}, (2, 2, 64)),
]


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(("switches", "sizes"), CASES)
def test_equals_plain_torch_in_logits_and_gradients(
    configure: Callable[..., RunConfig],
    switches: dict[str, Any],
    sizes: tuple[int, int, int],
    width: int,
) -> None:
    config = configure(model=switches)
    bank = Bank(config, width, torch.device("cpu"), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    windows = torch.randint(0, 256, (1, width, 3, 17), generator=generator)
    for slot in range(width):
        bank.enter(slot, config, seed=slot, steps=10)
    # Zeros and ones would hide a weight that is left out or comes in twice.
    noise = torch.randn(bank.parameters.shape, generator=generator, dtype=torch.float64)
    bank.parameters.add_(noise, alpha=0.3)
    losses = bank.compute_gradients(windows)
    for slot in range(width):
        plain = PlainDecoder(config.model, 256, 16, *sizes).double()
        plain.take(bank.weights(slot))
        logits = plain(windows[0, slot, :, :-1])
        found = bank.model.forward(bank.weights(slot), windows[0, slot, None, :, :-1], config.model)
        torch.testing.assert_close(found, logits.flatten(0, 1), rtol=1e-9, atol=1e-9)
        loss = functional.cross_entropy(logits.flatten(0, 1), windows[0, slot, :, 1:].flatten())
        loss.backward()
        torch.testing.assert_close(losses[slot], loss, rtol=1e-9, atol=0)
        expected = plain.gradients()
        for name, gradient in bank.layout.views(bank.gradients[slot]).items():
            difference = (gradient - expected[name]).norm()
            assert difference <= 1e-9 * expected[name].norm() + 1e-14, name


@pytest.mark.parametrize(("switches", "sizes"), CASES)
def test_formulas_count_the_parameters_and_the_operations(
    configure: Callable[..., RunConfig], switches: dict[str, Any], sizes: tuple[int, int, int]
) -> None:
    config = configure(model={**switches, "depth": 3})
    model = config.model
    built = parameters(model, config.data.vocabulary, config.batch.context)
    assert (model.num_heads, model.num_kv_heads, model.hidden) == sizes
    assert cost.parameters(config) == Layout(built).size
    tables = sum(item.size for item in built if "embedding" in item.name or item.name == "head")
    assert cost.non_embedding_parameters(config) == Layout(built).size - tables
    bank = Bank(config, 1, torch.device("cpu"))
    tokens = torch.zeros(1, 1, 2, config.batch.context + 1, dtype=torch.int64)
    # torch counts the products of its plain attention, but not those inside its fused one
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        bank.compute_gradients(tokens)
    counted = counter.get_total_flops() / (2 * config.batch.context)
    assert cost.flops_per_token(config) == pytest.approx(counted, rel=1e-12)


def test_the_formula_counts_the_parameters_of_every_combination(
    configure: Callable[..., RunConfig],
) -> None:
    axes: dict[str, tuple[Any, ...]] = {
        "kv_heads": (1, 2),
        "activation": ("gelu", "swiglu"),
        "norm": ("layer", "rms", "none"),
        "norm_place": ("pre", "post"),
        "position": ("learned", "rope"),
        "bias": (True, False),
        "tied_embeddings": (True, False),
        "parallel_block": (True, False),
        "parametrization": ("standard", "mup"),
    }
    base, counted = configure(), 0
    for values in itertools.product(*axes.values()):
        switches = dict(zip(axes, values, strict=True))
        if switches["norm"] == "none" and switches["norm_place"] == "post":
            continue
        config = replace(base, model=replace(base.model, **switches))
        built = Layout(parameters(config.model, config.data.vocabulary, config.batch.context))
        assert cost.parameters(config) == built.size, switches
        counted += 1
    assert counted == 640


def test_nanogpts_own_count() -> None:
    """10.65M weights without positions, as nanoGPT prints for its GPU size (65 characters)."""
    model = Model(name="mini", depth=6, width=384, heads=6, bias=False)
    built = parameters(model, vocabulary=65, context=256)
    counted = sum(item.size for item in built if item.name != "position_embedding")
    assert round(counted / 1e6, 2) == 10.65


def test_a_position_never_sees_later_ones(configure: Callable[..., RunConfig]) -> None:
    tokens = torch.arange(16).view(1, 1, 16)
    changed = tokens.clone()
    changed[..., 9:] += 100
    for position in ("learned", "sinusoidal", "rope", "alibi", "none"):
        bank = Bank(configure(model={"position": position}), 1, torch.device("cpu"))
        bank.enter(0, bank.config, seed=1, steps=1)
        first, second = (
            bank.model.forward(bank.weights(0), item, bank.config.model)
            for item in (tokens, changed)
        )
        assert torch.equal(first[:9], second[:9]), position
        assert not torch.equal(first[9], second[9]), position


def test_slots_of_a_bank_may_start_differently(configure: Callable[..., RunConfig]) -> None:
    """How weights start is not part of the program: such runs share a bank."""
    starts = [{}, {"init_std": 0.1}, {"initialization": "fan_in", "residual_init": "zero"}]
    configs = [configure(model={"width": 64, **start}) for start in starts]
    bank = Bank(configs[0], 4, torch.device("cpu"))
    for slot, config in enumerate(configs):
        bank.enter(slot, config, seed=3, steps=1)
        alone = Bank(config, 1, torch.device("cpu"))
        alone.enter(0, config, seed=3, steps=1)
        assert torch.equal(bank.parameters[slot], alone.parameters[0])
    assert not bank.weights(2)["1.mlp_out.weight"].any()


def test_initial_weights_have_the_documented_spread(configure: Callable[..., RunConfig]) -> None:
    def spread(name: str, **model: Any) -> float:
        config = configure(model={"width": 128, "depth": 8, **model})
        bank = Bank(config, 1, torch.device("cpu"))
        bank.enter(0, config, seed=1, steps=1)
        return float(bank.weights(0)[name].std())

    def near(value: float) -> Any:
        return pytest.approx(value, rel=0.03)

    assert spread("0.qkv.weight") == near(0.02)
    assert spread("7.mlp_out.weight") == near(0.02 / 4)
    assert spread("token_embedding") == near(0.02)
    assert spread("final_norm.weight") == spread("0.qkv.bias") == 0
    assert spread("token_embedding", init_std=0.1) == near(0.1)
    assert spread("0.mlp_in.weight", initialization="fan_in") == near(128**-0.5)
    assert spread("0.mlp_out.weight", initialization="fan_in") == near(512**-0.5 / 4)
    assert spread("0.qkv.weight", initialization="xavier") == near((2 / 256) ** 0.5)
    assert spread("0.mlp_in.weight", initialization="xavier") == near((2 / 640) ** 0.5)
    assert spread("7.attention_out.weight", residual_init="plain") == near(0.02)
    assert spread("7.attention_out.weight", residual_init="zero") == 0
    assert spread("head", tied_embeddings=False, initialization="fan_in") == near(128**-0.5)


def test_mup_scales_with_the_width_and_is_the_standard_at_its_base(
    configure: Callable[..., RunConfig],
) -> None:
    def weights(**model: Any) -> dict[str, torch.Tensor]:
        config = configure(model={"depth": 8, "heads": 4, **model})
        bank = Bank(config, 1, torch.device("cpu"))
        bank.enter(0, config, seed=1, steps=1)
        return bank.weights(0)

    mup = {"parametrization": "mup", "base_width": 32, "tied_embeddings": False}
    narrow, wide = weights(width=32, **mup), weights(width=128, **mup)
    assert float(narrow["0.mlp_in.weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert float(wide["0.mlp_in.weight"].std()) == pytest.approx(0.02 / 2, rel=0.05)
    assert float(wide["0.kv.weight"].std()) == pytest.approx(0.02 / 2, rel=0.05)
    assert float(wide["7.mlp_out.weight"].std()) == pytest.approx(0.02 / 2 / 4, rel=0.05)
    assert float(wide["token_embedding"].std()) == pytest.approx(0.02, rel=0.05)
    assert not wide["head"].any()
    assert not wide["0.query.weight"].any()
    kept = weights(width=128, **mup, qk_norm=True)
    assert float(kept["0.query.weight"].std()) == pytest.approx(0.02 / 2, rel=0.05)


def test_logits_of_mup_at_its_base_are_those_of_the_standard(
    configure: Callable[..., RunConfig],
) -> None:
    standard = configure(model={"width": 16, "position": "sinusoidal"})
    bank = Bank(standard, 1, torch.device("cpu"), dtype=torch.float64)
    bank.enter(0, standard, seed=1, steps=1)
    fused = bank.weights(0)
    apart = dict(fused)
    for block in range(2):
        for kind in ("weight", "bias"):
            both = apart.pop(f"{block}.qkv.{kind}")
            apart[f"{block}.query.{kind}"], apart[f"{block}.kv.{kind}"] = both[:16], both[16:]
    mup = configure(
        model={
            "width": 16, "position": "sinusoidal", "parametrization": "mup", "base_width": 16
        }
    ).model  # fmt: skip
    tokens = torch.arange(16).view(1, 1, 16)
    torch.testing.assert_close(
        bank.model.forward(apart, tokens, mup), bank.model.forward(fused, tokens, standard.model)
    )


def test_a_softcap_bounds_logits_and_leaves_small_ones(
    configure: Callable[..., RunConfig],
) -> None:
    plain = configure()
    bank = Bank(plain, 1, torch.device("cpu"))
    bank.enter(0, plain, seed=1, steps=1)
    weights = {name: value * 10 for name, value in bank.weights(0).items()}
    tokens = torch.arange(16).view(1, 1, 16)
    raw = bank.model.forward(weights, tokens, plain.model)
    for cap in (0.5, 1e6):
        capped = bank.model.forward(weights, tokens, configure(model={"logit_softcap": cap}).model)
        assert float(capped.abs().max()) <= cap
        torch.testing.assert_close(capped, cap * torch.tanh(raw / cap))
    torch.testing.assert_close(capped, raw, rtol=1e-3, atol=1e-3)
    assert math.isclose(float(raw.abs().max()), float(capped.abs().max()), rel_tol=1e-3)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("position", ["rope", "alibi", "sinusoidal"])
def test_half_precision_is_near_single(
    configure: Callable[..., RunConfig], position: str, width: int
) -> None:
    model = {**LLAMA, "position": position, "kv_heads": 1, "logit_softcap": 15.0}
    bank = Bank(configure(model=model), width, torch.device("cpu"))
    for slot in range(width):
        bank.enter(slot, bank.config, seed=slot, steps=1)
    weights = bank.layout.views(bank.parameters if width > 1 else bank.parameters[0])
    tokens = torch.arange(16).expand(width, 2, 16)
    single = bank.model.forward(weights, tokens, bank.config.model)
    with torch.autocast("cpu", torch.bfloat16):
        half = bank.model.forward(weights, tokens, bank.config.model)
    assert (half.float() - single).norm() < 0.02 * single.norm()
