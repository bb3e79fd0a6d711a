"""Experts against a plain loop over tokens; who depends on whom; the balance; what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.schema import Data, RunConfig
from selector.space import cost
from selector.space.memory import block_bytes
from selector.train import compressed
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.feed import Feed
from selector.train.gradients import LayerGroups
from selector.train.model.decoder import training_forward
from selector.train.model.experts import imbalance
from tests.train.model.plain import FeedForward, PlainDecoder

Configure = Callable[..., RunConfig]
CPU = torch.device("cpu")
LLAMA = {"norm": "rms", "position": "rope", "activation": "swiglu", "bias": False}
#: Switches, and (hidden, places in a sequence of 16).
CASES: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"experts": 4, "expert_capacity": 0.7, "mlp_ratio": 1, **LLAMA}, (16, 6)),
    ({"experts": 3, "experts_per_token": 1, "mlp_ratio": 1}, (16, 7)),
    (
        {
            "experts": 5,
            "experts_per_token": 3,
            "mlp_ratio": 0.5,
            "balance_loss": 0.3,
            "parallel_block": True,
            "parametrization": "mup",
            "base_width": 8,
        },
        (8, 12),
    ),
]


class PlainExperts(nn.Module):
    """One token after the other; keeps how many found no place, and the imbalance."""

    def __init__(self, model: Model, hidden: int, places: int) -> None:
        super().__init__()
        self.model, self.hidden, self.places = model, hidden, places
        self.router = nn.Parameter(torch.zeros(model.experts, model.width))
        gated = 2 if model.activation == "swiglu" else 1
        self.mlp_in = nn.Linear(model.width, model.experts * gated * hidden, bias=model.bias)
        self.mlp_out = nn.Linear(hidden, model.experts * model.width, bias=model.bias)
        self.layer = [
            FeedForward(replace(model, experts=0), hidden)
        ]  # in a list: no weights of ours

    def expert(self, number: int, x: Tensor) -> Tensor:
        sizes = {"mlp_in": self.hidden, "mlp_out": self.model.width, "gate": self.hidden}
        own = {}
        for name, kind in [
            (n, k) for n, _ in self.layer[0].named_children() for k in ("weight", "bias")
        ]:
            if kind == "bias" and not self.model.bias:
                continue
            stacked = getattr(self.mlp_out if name == "mlp_out" else self.mlp_in, kind)
            mine = stacked.chunk(self.model.experts)[number]
            own[f"{name}.{kind}"] = (
                mine[-sizes[name] :] if name == "mlp_in" else mine[: sizes[name]]
            )
        return torch.func.functional_call(self.layer[0], own, (x,))

    def forward(self, x: Tensor) -> Tensor:
        model, self.dropped, mixed = self.model, 0, []
        shrink = model.base_width / model.width if model.parametrization == "mup" else 1.0
        probabilities, counts = [], [0] * model.experts
        for sequence in x:
            taken = [0] * model.experts
            for token in sequence:
                scores = (self.router @ token * shrink).exp()
                share = scores / scores.sum()
                best = share.detach().argsort(descending=True).tolist()
                best = best[: model.experts_per_token]
                total = share[best].sum() if len(best) > 1 else 1.0
                y = torch.zeros_like(token)
                for number in best:
                    counts[number] += 1
                    if taken[number] == self.places and self.training:
                        self.dropped += 1
                        continue
                    taken[number] += 1
                    y = y + share[number] / total * self.expert(number, token)
                mixed.append(y)
                probabilities.append(share)
        mean = torch.stack(probabilities).mean(0)
        pairs = zip(counts, mean, strict=True)
        self.imbalance = sum(n / sum(counts) * p for n, p in pairs) * model.experts
        return torch.stack(mixed).view(x.shape)


def entered(config: RunConfig, width: int = 1, dtype: torch.dtype = torch.float64) -> Bank:
    """A bank of runs whose weights are large enough for experts to be chosen unevenly."""
    bank = Bank(config, width, CPU, dtype=dtype)
    for slot in range(width):
        bank.enter(slot, config, seed=slot, steps=10)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(bank.parameters.shape, generator=generator, dtype=torch.float64)
    bank.parameters.add_(noise, alpha=0.3)
    return bank


def drawn(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(("switches", "sizes"), CASES)
def test_equals_a_plain_loop_in_logits_and_gradients(
    configure: Configure, switches: dict[str, Any], sizes: tuple[int, int], width: int
) -> None:
    config = configure(model=switches)
    bank, windows = entered(config, width), drawn(1, width, 2, 17)
    losses = bank.compute_gradients(windows)
    for slot in range(width):
        plain = PlainDecoder(config.model, 256, 16, 2, 2, sizes[0]).double()
        for block in plain.blocks:
            block.mlp = PlainExperts(config.model, *sizes).double()
        plain.take(bank.weights(slot))
        inputs, targets = windows[0, slot, :, :-1], windows[0, slot, :, 1:].flatten()
        loss = functional.cross_entropy(plain(inputs).flatten(0, 1), targets)
        assert all(block.mlp.dropped for block in plain.blocks)
        torch.testing.assert_close(losses[slot], loss, rtol=1e-9, atol=0)
        (loss + config.model.balance_loss * sum(b.mlp.imbalance for b in plain.blocks)).backward()
        expected = plain.gradients()
        for name, gradient in bank.layout.views(bank.gradients[slot]).items():
            difference = (gradient - expected[name]).norm()
            assert difference <= 1e-9 * expected[name].norm() + 1e-14, name
        if not slot:
            judged = bank.model.forward(bank.weights(0), inputs[None], config.model)
            with torch.no_grad():
                whole = plain.eval()(inputs).flatten(0, 1)
            torch.testing.assert_close(judged, whole, rtol=1e-9, atol=1e-9)


def test_where_results_are_judged_slots_are_as_alone(configure: Configure) -> None:
    bank, tokens = entered(configure(model=CASES[0][0]), 3), drawn(3, 2, 16)
    views = bank.layout.views(bank.parameters)
    together = bank.model.forward(views, tokens, bank.config.model)
    for slot in range(3):
        alone = bank.model.forward(bank.weights(slot), tokens[slot, None], bank.config.model)
        torch.testing.assert_close(together[slot], alone)


def test_with_a_place_for_everyone_training_is_as_judging(configure: Configure) -> None:
    tight = configure(model={"experts": 4, "expert_capacity": 0.5}).model
    bank, tokens = entered(configure(model={"experts": 4})), drawn(1, 2, 16)
    judged = bank.model.forward(bank.weights(0), tokens, tight)
    roomy = replace(tight, expert_capacity=2.0)
    assert (tight.expert_places(16), roomy.expert_places(16)) == (4, 16)
    assert replace(tight, expert_capacity=1e9).expert_places(16) == 16
    for model, near in ((tight, False), (roomy, True)):
        logits, _ = training_forward(bank.weights(0), tokens, model)
        assert torch.allclose(logits, judged, rtol=1e-12, atol=1e-12) is near


@pytest.mark.parametrize("chosen", [1, 2])
def test_no_token_depends_on_later_ones_or_on_other_sequences(
    configure: Configure, chosen: int
) -> None:
    model = {"experts": 4, "experts_per_token": chosen, "expert_capacity": 0.5}
    bank, tokens = entered(configure(model=model)), drawn(1, 3, 16)
    changed = tokens.clone()
    changed[0, 1, 9:] = 255 - tokens[0, 1, 9:]
    first, second = (
        training_forward(bank.weights(0), item, bank.config.model)[0].view(3, 16, -1)
        for item in (tokens, changed)
    )
    assert torch.equal(first[1, :9], second[1, :9])
    assert not torch.equal(first[1, 9], second[1, 9])
    assert torch.equal(first[::2], second[::2])


def test_the_balance_has_the_gradient_of_its_formula() -> None:
    logits = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    probabilities = logits.softmax(-1)
    chosen = torch.tensor([[[0, 1]] * 6, [[0, 1]] * 3 + [[2, 0]] * 3])
    (found,) = torch.autograd.grad(imbalance(probabilities, chosen).sum(), logits)
    share = torch.tensor([[1 / 2, 1 / 2, 0], [1 / 2, 1 / 4, 1 / 4]], dtype=torch.float64)[:, None]
    mean = (share * probabilities).sum(-1, keepdim=True)
    torch.testing.assert_close(found, 3 / 6 * probabilities * (share - mean))


def test_an_even_choice_has_an_imbalance_of_one() -> None:
    chosen = torch.tensor([[[0, 1], [2, 3], [1, 2], [3, 0]]])
    assert imbalance(torch.full((1, 4, 4), 0.25), chosen).tolist() == [1.0]


def test_the_balance_is_trained_on_and_not_reported(configure: Configure) -> None:
    """In the mean over micro-batches, whatever is kept for the backward pass; slot by slot."""
    found, reported = [], []
    windows = drawn(2, 2, 2, 17)
    for weight in (0.0, 0.5, 1.0):
        bank = entered(configure(model={"experts": 4, "balance_loss": weight}), 2)
        bank.active[1] = False
        reported.append(bank.compute_gradients(windows))
        found.append(bank.gradients.clone())
    assert torch.equal(reported[0], reported[2])
    torch.testing.assert_close(found[2] - found[1], found[1] - found[0])
    assert float((found[1] - found[0])[0].norm()) > 1e-3
    assert not found[2][1].any()
    parts = []
    for window in windows:
        bank.compute_gradients(window[None])
        parts.append(bank.gradients.clone())
    torch.testing.assert_close(sum(parts) / 2, found[2])
    compute = Compute(device="cpu", activation_checkpointing=True)
    again = entered(replace(bank.config, compute=compute), 2)
    again.active[1] = False
    again.compute_gradients(windows)
    assert torch.equal(again.gradients, found[2])


def test_a_neighbour_that_diverges_changes_nothing(configure: Configure) -> None:
    rows = []
    for broken in (False, True):
        bank = entered(configure(model={"experts": 4}), 3, torch.float32)
        if broken:
            bank.parameters[1] = torch.nan
        for _ in range(2):
            bank.step(drawn(1, 3, 4, 17))
        rows.append(bank.parameters[::2].clone())
    assert torch.equal(*rows)
    assert rows[0].isfinite().all()


@pytest.mark.parametrize(("switches", "sizes"), CASES)
def test_formulas_count_the_parameters_and_the_operations(
    configure: Configure, switches: dict[str, Any], sizes: tuple[int, int]
) -> None:
    config = configure(model=switches)
    model, bank = config.model, Bank(config, 1, CPU)
    assert cost.parameters(config) == bank.layout.size
    experts = [
        item for item in bank.layout.parameters if ".mlp_" in item.name and "norm" not in item.name
    ]
    idle = 1 - model.experts_per_token / model.experts
    left_out = idle * sum(item.size for item in experts)
    assert cost.active_parameters(config) == round(bank.layout.size - left_out)
    matrices = sum(item.size for item in experts if item.name.endswith("weight"))
    one = replace(config, model=replace(model, experts=0))
    routers = 2 * model.experts * 16
    dense = cost.product_weights(one) - matrices // model.experts
    active = matrices * model.experts_per_token // model.experts
    assert cost.product_weights(config) == dense + routers + active
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        bank.compute_gradients(torch.zeros(1, 1, 2, 17, dtype=torch.int64))
    assert cost.flops_per_token(config) == pytest.approx(counter.get_total_flops() / 32, abs=0.5)
    assert block_bytes(config) > block_bytes(one) - (4 * 64 * 2) * (sizes[0] < 16)


def test_a_router_is_a_head_of_its_block(configure: Configure) -> None:
    """For rates and decay; but its gradient counts where it is, and under mup it starts."""
    mup = {"parametrization": "mup", "base_width": 16}
    for width, model in ((16, {}), (64, mup)):
        bank = Bank(configure("muon", model={"experts": 64, "width": width, **model}), 1, CPU)
        bank.enter(0, bank.config, 0, 1)
        assert float(bank.weights(0)["1.router"].std()) == pytest.approx(0.02, rel=0.1)
    (router,) = [item for item in bank.layout.parameters if item.name == "1.router"]
    assert router.section == "head"
    bank.layout.views(bank.gradients)["1.router"].fill_(1.0)
    norms = LayerGroups(bank.layout).norms(bank.gradients)
    assert norms.tolist() == [[0.0, 0.0, math.sqrt(64 * 64)]]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_small_run_learns(
    configure: Configure, prepared: tuple[Data, Path], optimizer: str
) -> None:
    config = configure(optimizer, model={"experts": 4, "mlp_ratio": 1})
    bank = Bank(config, 2, CPU)
    corpus = Corpus.open(*prepared)
    feed = Feed(corpus.part("train"), config.batch, 2, CPU)
    for slot in range(2):
        bank.enter(slot, config, slot, 40)
        feed.enter(slot, slot)
    for _ in range(40):
        bank.step(feed.next())
    losses, _ = bank.drain()
    assert (losses[-10:].mean(0) < losses[0] - 1.0).all()
    windows = torch.stack([feed.next()[0, 0] for _ in range(2)]).flatten(0, 1).numpy()
    found = compressed.measured(bank, 0, windows, Compute(device="cpu", quantize="int8"))
    assert found["quantized/loss"] == pytest.approx(losses[-10:, 0].mean(), abs=0.3)


@pytest.mark.parametrize("width", [1, 2])
def test_half_precision_is_near_single_and_does_not_touch_the_router(
    configure: Configure, width: int
) -> None:
    config = configure(model={"experts": 4, **LLAMA})
    bank = Bank(config, width, CPU)
    for slot in range(width):
        bank.enter(slot, config, seed=slot, steps=1)
    weights = bank.layout.views(bank.parameters if width > 1 else bank.parameters[0])
    tokens = drawn(width, 2, 16)
    for made in (training_forward, lambda *given: (bank.model.forward(*given), None)):
        single, _ = made(weights, tokens, config.model)
        with torch.autocast("cpu", torch.bfloat16):
            half, penalty = made(weights, tokens, config.model)
        assert (half.float() - single).norm() < 0.03 * single.norm()
        assert penalty is None or penalty.dtype is torch.float32
