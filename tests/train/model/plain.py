"""The decoder written as torch modules, one run at a time, with masks and loops spelled out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from selector.config.model import Model


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def make_norm(model: Model) -> nn.Module:
    if model.norm == "none":
        return nn.Identity()
    if model.norm == "rms":
        return RMSNorm(model.width)
    return nn.LayerNorm(model.width, bias=model.bias)


def complex_rotation(x: Tensor) -> Tensor:
    """Rotary embedding as multiplication of complex numbers; x [..., length, size]."""
    length, size = x.shape[-2:]
    half = size // 2
    turned = torch.complex(x[..., :half].contiguous(), x[..., half:].contiguous())
    phase = torch.tensor(
        [[m * 10_000 ** (-2 * i / size) for i in range(half)] for m in range(length)],
        dtype=x.dtype,
    )
    turned = turned * torch.polar(torch.ones_like(phase), phase)
    return torch.cat([turned.real, turned.imag], dim=-1)


class Attention(nn.Module):
    def __init__(self, model: Model, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.model, self.heads, self.kv_heads = model, heads, kv_heads
        self.size = model.width // heads
        self.query = nn.Linear(model.width, model.width, bias=model.bias)
        self.key = nn.Linear(model.width, kv_heads * self.size, bias=model.bias)
        self.value = nn.Linear(model.width, kv_heads * self.size, bias=model.bias)
        self.attention_out = nn.Linear(model.width, model.width, bias=model.bias)

    def forward(self, x: Tensor) -> Tensor:
        length, model = x.shape[1], self.model
        query = self.query(x).unflatten(-1, (self.heads, self.size))
        key = self.key(x).unflatten(-1, (self.kv_heads, self.size))
        value = self.value(x).unflatten(-1, (self.kv_heads, self.size))
        found = []
        for head in range(self.heads):
            shared = head * self.kv_heads // self.heads
            q, k, v = query[:, :, head], key[:, :, shared], value[:, :, shared]
            if model.qk_norm:
                q, k = (part / (part.square().mean(-1, True) + 1e-6).sqrt() for part in (q, k))
            if model.position == "rope":
                q, k = complex_rotation(q), complex_rotation(k)
            scores = q @ k.mT / math.sqrt(self.size)
            if model.parametrization == "mup":  # 1 / size, and 1 / sqrt(size) at the base's size
                base = self.size if model.heads == "auto" else model.base_width / self.heads
                scores = q @ k.mT / self.size * math.sqrt(base)
            if model.position == "alibi":
                slope = SLOPES[self.heads][head]
                back = [[float(i - j) for j in range(length)] for i in range(length)]
                scores = scores - slope * torch.tensor(back, dtype=x.dtype)
            future = torch.ones(length, length, dtype=torch.bool).triu(1)
            found.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v)
        return self.attention_out(torch.cat(found, dim=-1))


#: By hand from arXiv 2108.12409, section 3, and for 3 heads its code's rule.
SLOPES = {2: [1 / 16, 1 / 256], 4: [1 / 4, 1 / 16, 1 / 64, 1 / 256], 3: [1 / 16, 1 / 256, 1 / 4]}


class FeedForward(nn.Module):
    def __init__(self, model: Model, hidden: int) -> None:
        super().__init__()
        self.kind = model.activation
        if self.kind == "swiglu":
            self.gate = nn.Linear(model.width, hidden, bias=model.bias)
        self.mlp_in = nn.Linear(model.width, hidden, bias=model.bias)
        self.mlp_out = nn.Linear(hidden, model.width, bias=model.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp_in(x)
        if self.kind == "swiglu":
            gate = self.gate(x)
            return self.mlp_out(y * gate / (1 + (-gate).exp()))
        plain = {
            "gelu": lambda: y * 0.5 * (1 + torch.erf(y / math.sqrt(2))),
            "relu": lambda: y.clamp(min=0),
            "relu2": lambda: y.clamp(min=0) ** 2,
            "tanh": lambda: 1 - 2 / (1 + (2 * y).exp()),
            "sigmoid": lambda: 1 / (1 + (-y).exp()),
        }
        return self.mlp_out(plain[self.kind]())


class Block(nn.Module):
    def __init__(self, model: Model, heads: int, kv_heads: int, hidden: int) -> None:
        super().__init__()
        self.parallel, self.post = model.parallel_block, model.norm_place == "post"
        self.attention_norm = make_norm(model)
        self.attention = Attention(model, heads, kv_heads)
        self.mlp_norm = nn.Identity() if self.parallel else make_norm(model)
        self.mlp = FeedForward(model, hidden)

    def forward(self, x: Tensor) -> Tensor:
        if self.parallel and self.post:
            return self.attention_norm(x + self.attention(x) + self.mlp(x))
        if self.parallel:
            y = self.attention_norm(x)
            return x + self.attention(y) + self.mlp(y)
        if self.post:
            x = self.attention_norm(x + self.attention(x))
            return self.mlp_norm(x + self.mlp(x))
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class PlainDecoder(nn.Module):
    """heads, kv_heads and hidden are given by the test: it works them out by hand."""

    def __init__(
        self, model: Model, vocabulary: int, context: int, heads: int, kv_heads: int, hidden: int
    ) -> None:
        super().__init__()
        self.model = model
        self.token_embedding = nn.Embedding(vocabulary, model.width)
        if model.position == "learned":
            self.position_embedding = nn.Embedding(context, model.width)
        self.blocks = nn.ModuleList(
            Block(model, heads, kv_heads, hidden) for _ in range(model.depth)
        )
        self.final_norm = nn.Identity() if model.norm_place == "post" else make_norm(model)
        self.head = nn.Linear(model.width, vocabulary, bias=False)
        if model.tied_embeddings:
            self.head.weight = self.token_embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        model, length = self.model, tokens.shape[1]
        x = self.token_embedding(tokens)
        if model.position == "learned":
            x = x + self.position_embedding.weight[:length]
        if model.position == "sinusoidal":
            width = model.base_width if model.parametrization == "mup" else model.width
            x = x * math.sqrt(width)
            for place in range(length):
                for feature in range(model.width):
                    angle = place / 10_000 ** (2 * (feature // 2) / model.width)
                    wave = math.cos(angle) if feature % 2 else math.sin(angle)
                    x[:, place, feature] = x[:, place, feature] + wave
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.final_norm(x))
        if model.parametrization == "mup":
            logits = logits * model.base_width / model.width
        if model.logit_softcap:
            logits = model.logit_softcap * functional.tanh(logits / model.logit_softcap)
        return logits

    def take(self, weights: dict[str, Tensor]) -> None:
        """Copy the weights of a bank's slot, whose stacked matrices are those of two layers."""
        with torch.no_grad():
            for name, tensor in self.by_bank_name(self.named_parameters()).items():
                parts = tensor if isinstance(tensor, list) else [tensor]
                for part, given in zip(
                    parts, split(weights[name], [len(part) for part in parts]), strict=True
                ):
                    part.copy_(given)
            assert weights.keys() == self.by_bank_name(self.named_parameters()).keys()

    def gradients(self) -> dict[str, Tensor]:
        """By the bank's names."""
        found = self.by_bank_name(
            (name, value.grad) for name, value in self.named_parameters() if value.grad is not None
        )
        return {
            name: torch.cat(value) if isinstance(value, list) else value
            for name, value in found.items()
        }

    def by_bank_name(self, named) -> dict[str, Tensor | list[Tensor]]:
        found: dict[str, Tensor | list[Tensor]] = {}
        for name, tensor in named:
            name = name.removeprefix("blocks.")
            for module in ("attention", "mlp"):
                name = name.replace(f".{module}.", ".")
            name = name.replace("embedding.weight", "embedding").replace("head.weight", "head")
            stacked = self._stacked(name)
            if stacked:
                found.setdefault(stacked, []).append(tensor)  # type: ignore[union-attr]
            else:
                found[name] = tensor
        return found

    def _stacked(self, name: str) -> str:
        """The bank's name of the matrix that this one is a part of, if it is one."""
        block, _, rest = name.partition(".")
        layer, _, kind = rest.partition(".")
        apart = self.model.parametrization == "mup" or self.blocks[0].attention.kv_heads < (
            self.blocks[0].attention.heads
        )
        if layer in ("query", "key", "value"):
            if not apart:
                return f"{block}.qkv.{kind}"
            return "" if layer == "query" else f"{block}.kv.{kind}"
        if layer == "gate":
            return f"{block}.mlp_in.{kind}"
        return (
            f"{block}.mlp_in.{kind}"
            if layer == "mlp_in" and hasattr(self.blocks[0].mlp, "gate")
            else ""
        )


def split(tensor: Tensor, sizes: list[int]) -> list[Tensor]:
    return list(tensor.split(sizes)) if len(sizes) > 1 else [tensor]
