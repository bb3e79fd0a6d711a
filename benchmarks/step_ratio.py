"""A training step of a bank of one run against the same model written plainly in PyTorch.

Both make the same step on the same batch, in turn, in one thread; the ratio is taken pair by pair,
so that whatever else the machine does falls on both. Run it with

    python -m benchmarks.step_ratio [--pairs 300] [--widths 64 128 256] [--fused]

With --fused the plain side takes torch's fused AdamW instead of its default. The exit code is 1
where the upper 95 % bound of the median ratio exceeds its goal.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.regularization import Regularization
from selector.config.schema import Data, RunConfig
from selector.config.technique import Technique
from selector.train.bank import Bank

#: width -> (depth, heads, goal): the presets pico, nano and micro.
SHAPES = {64: (2, 2, 1.10), 128: (4, 4, 1.05), 256: (6, 4, 1.05)}
CLIP = 1.0
ADAMW = {"lr": 1e-3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}


class Block(nn.Module):
    """One transformer block as anybody would write it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[sequences, length, width] to the same shape."""
        sequences, length, width = x.shape
        query, key, value = (
            part.view(sequences, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x)).split(width, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(sequences, length, width))
        out: Tensor = x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))
        return out


class PlainGPT(nn.Module):
    """The model of `selector.train.model.decoder` with its default switches, as modules."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        model = config.model
        self.token_embedding = nn.Embedding(config.data.vocabulary, model.width)
        self.position_embedding = nn.Embedding(config.batch.context, model.width)
        self.blocks = nn.ModuleList(Block(model.width, model.heads) for _ in range(model.depth))
        self.final_norm = nn.LayerNorm(model.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [sequences, length, vocabulary] of tokens [sequences, length]."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        for block in self.blocks:
            x = block(x)
        return functional.linear(self.final_norm(x), self.token_embedding.weight)


class Plain:
    """The plain model with torch's AdamW and gradient clipping, started from the same weights."""

    def __init__(self, config: RunConfig, weights: dict[str, Tensor], fused: bool) -> None:
        self.model = PlainGPT(config)
        names = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, parameter in names.items():
                parameter.copy_(weights[_bank_name(name)])
        matrices = [parameter for parameter in names.values() if parameter.dim() > 1]
        vectors = [parameter for parameter in names.values() if parameter.dim() == 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": ADAMW["weight_decay"]},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=ADAMW["lr"],
            betas=(ADAMW["beta1"], ADAMW["beta2"]),
            eps=ADAMW["eps"],
            fused=fused,
        )

    def step(self, windows: Tensor) -> Tensor:
        """One step on [sequences, context + 1]; the loss."""
        logits = self.model(windows[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return loss.detach()


def configuration(width: int) -> RunConfig:
    """The benchmark's configuration: nanoGPT's batch for a CPU."""
    depth, heads, _ = SHAPES[width]
    return RunConfig(
        model=Model(name="benchmark", depth=depth, width=width, heads=heads),
        optimizer=Technique(name="adamw", values=ADAMW),
        schedule=Technique(name="constant", values={"warmup": 0.0}),
        objective=Objective(name="causal_lm", metric="validation/loss"),
        data=Data(name="random", source="stdlib"),
        batch=Batch(micro_batch=12, context=64),
        regularization=Regularization(grad_clip=CLIP),
        compute=Compute(device="cpu"),
    )


def ratios(width: int, pairs: int, fused: bool) -> tuple[np.ndarray, float, float]:
    """Ratio of each pair of steps, and both median times in seconds."""
    config = configuration(width)
    bank = Bank(config, 1, torch.device("cpu"))
    bank.enter(0, config, seed=0, steps=pairs + 20)
    plain = Plain(config, bank.weights(0), fused)
    generator = torch.Generator().manual_seed(0)
    shape = (config.batch.micro_batch, config.batch.context + 1)
    ours: list[float] = []
    theirs: list[float] = []
    for pair in range(pairs + 20):
        windows = torch.randint(0, 256, shape, generator=generator)
        both = [(ours, lambda w: bank.step(w[None, None])), (theirs, plain.step)]
        for times, step in both if pair % 2 else reversed(both):
            started = perf_counter()
            step(windows)
            times.append(perf_counter() - started)
    losses, _ = bank.drain()
    if abs(losses[-1, 0] - float(plain.step(windows))) > 0.5:
        raise RuntimeError("both sides no longer train the same model")
    measured = np.array(ours[20:]) / np.array(theirs[20:])
    return measured, statistics.median(ours[20:]), statistics.median(theirs[20:])


def upper_bound(values: np.ndarray, draws: int = 2000) -> float:
    """Upper bound of the median's two-sided 95 % bootstrap interval."""
    random = np.random.default_rng(0)
    medians = np.median(random.choice(values, (draws, len(values))), axis=1)
    return float(np.quantile(medians, 0.975))


def main() -> int:
    """Measure every width and say how it compares with its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--widths", type=int, nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--fused", action="store_true", help="against torch's fused AdamW")
    options = parser.parse_args()
    torch.set_num_threads(1)
    missed = False
    for width in options.widths:
        measured, ours, theirs = ratios(width, options.pairs, options.fused)
        bound, goal = upper_bound(measured), SHAPES[width][2]
        missed |= bound > goal
        sys.stdout.write(
            f"width {width}: ratio {np.median(measured):.3f}, upper 95 % bound {bound:.3f}"
            f" (goal {goal:.2f}); bank {1e3 * ours:.1f} ms, plain {1e3 * theirs:.1f} ms a step,"
            f" {len(measured)} pairs\n"
        )
    return int(missed)


def _bank_name(name: str) -> str:
    """The bank's name of a plain parameter: blocks.0.qkv.weight is 0.qkv.weight."""
    return name.removeprefix("blocks.").replace("embedding.weight", "embedding")


if __name__ == "__main__":
    sys.exit(main())
