"""The functional GPT against the same model written as torch modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from selector.config.model import Model
from selector.config.schema import RunConfig
from selector.space import cost
from selector.train.bank import Bank
from selector.train.model.gpt import parameters

ACTIVATIONS = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "relu2": lambda x: functional.relu(x) ** 2,
}
SWITCHES: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"tied_embeddings": False, "activation": "relu"},
    {"qk_norm": True, "activation": "relu2", "mlp_ratio": 3, "bias": False},
]


class PlainBlock(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        width, hidden = model.width, model.mlp_ratio * model.width
        self.model = model
        self.attention_norm = nn.LayerNorm(width, bias=model.bias)
        self.qkv = nn.Linear(width, 3 * width, bias=model.bias)
        self.attention_out = nn.Linear(width, width, bias=model.bias)
        self.mlp_norm = nn.LayerNorm(width, bias=model.bias)
        self.mlp_in = nn.Linear(width, hidden, bias=model.bias)
        self.mlp_out = nn.Linear(hidden, width, bias=model.bias)

    def forward(self, x: Tensor) -> Tensor:
        count, length, width = x.shape
        heads = self.model.heads
        query, key, value = (
            part.view(count, length, heads, width // heads).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x)).split(width, dim=2)
        )
        if self.model.qk_norm:
            query, key = (
                part / (part.square().mean(-1, True) + 1e-6).sqrt() for part in (query, key)
            )
        scores = query @ key.mT / math.sqrt(width // heads)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, -torch.inf).softmax(-1) @ value
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(count, length, width))
        hidden = self.mlp_in(self.mlp_norm(x))
        return x + self.mlp_out(ACTIVATIONS[self.model.activation](hidden))


class PlainGPT(nn.Module):
    def __init__(self, model: Model, vocabulary: int, context: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, model.width)
        self.position_embedding = nn.Embedding(context, model.width)
        self.blocks = nn.ModuleList(PlainBlock(model) for _ in range(model.depth))
        self.final_norm = nn.LayerNorm(model.width, bias=model.bias)
        self.head = nn.Linear(model.width, vocabulary, bias=False)
        if model.tied_embeddings:
            self.head.weight = self.token_embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.final_norm(x))


def bank_name(name: str) -> str:
    name = name.removeprefix("blocks.").replace("embedding.weight", "embedding")
    return "head" if name == "head.weight" else name


@pytest.mark.parametrize("switches", SWITCHES)
@pytest.mark.parametrize("width", [1, 2])
def test_equals_plain_torch_in_loss_and_gradients(
    configure: Callable[..., RunConfig], switches: dict[str, Any], width: int
) -> None:
    config = configure(model=switches)
    bank = Bank(config, width, torch.device("cpu"))
    windows = torch.randint(0, 256, (1, width, 4, 17), generator=torch.Generator().manual_seed(0))
    for slot in range(width):
        bank.enter(slot, config, seed=slot, steps=10)
    losses = bank.compute_gradients(windows)
    for slot in range(width):
        plain = PlainGPT(config.model, 256, 16)
        names = {bank_name(name): value for name, value in plain.named_parameters()}
        assert names.keys() == bank.weights(slot).keys()
        for name, weight in bank.weights(slot).items():
            names[name].data.copy_(weight)
        loss = functional.cross_entropy(
            plain(windows[0, slot, :, :-1]).flatten(0, 1), windows[0, slot, :, 1:].flatten()
        )
        loss.backward()
        torch.testing.assert_close(losses[slot], loss, rtol=1e-5, atol=0)
        for name, gradient in bank.layout.views(bank.gradients[slot]).items():
            expected = names[name].grad
            assert expected is not None
            assert (gradient - expected).norm() <= 1e-5 * expected.norm() + 1e-7, name


@pytest.mark.parametrize("switches", SWITCHES)
def test_the_formula_counts_the_parameters(
    configure: Callable[..., RunConfig], switches: dict[str, Any]
) -> None:
    config = configure(model=switches)
    built = parameters(config.model, config.data.vocabulary, config.batch.context)
    assert cost.parameters(config) == sum(item.size for item in built)


def test_nanogpts_own_count() -> None:
    """10.65M weights without positions, as nanoGPT prints for its GPU size (65 characters)."""
    model = Model(name="mini", depth=6, width=384, heads=6, bias=False)
    built = parameters(model, vocabulary=65, context=256)
    counted = sum(item.size for item in built if item.name != "position_embedding")
    assert round(counted / 1e6, 2) == 10.65


def test_flops_are_those_that_torch_counts(configure: Callable[..., RunConfig]) -> None:
    config = configure(model={"depth": 3, "bias": False})
    bank = Bank(config, 1, torch.device("cpu"))
    tokens = torch.zeros(1, 2, config.batch.context, dtype=torch.int64)
    # torch counts the products of its plain attention, but not those inside its fused one
    plain = sdpa_kernel(SDPBackend.MATH)
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        bank.model.forward(bank.weights(0), tokens, config.model)
    assert 3 * counter.get_total_flops() == cost.flops_per_token(config) * tokens.numel()


def test_initial_weights_have_the_documented_spread(configure: Callable[..., RunConfig]) -> None:
    bank = Bank(configure(model={"width": 128, "depth": 8}), 1, torch.device("cpu"))
    bank.enter(0, bank.config, seed=1, steps=1)
    weights = bank.weights(0)
    assert float(weights["0.qkv.weight"].std()) == pytest.approx(0.02, rel=0.03)
    assert float(weights["7.mlp_out.weight"].std()) == pytest.approx(0.02 / 4, rel=0.03)
    assert float(weights["token_embedding"].std()) == pytest.approx(0.02, rel=0.03)
    assert torch.equal(weights["final_norm.weight"], torch.ones(128))
    assert torch.equal(weights["0.qkv.bias"], torch.zeros(384))
