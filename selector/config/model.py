"""The shape of a model: each switch is a value that a study can compare."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from selector.config import limits

#: The largest size of a head that `auto` gives, and from which width on it is doubled (nanochat).
_HEAD_SIZE, _WIDE = 64, 768
_SMALLEST_HEAD = 8
#: What a hidden size that is not whole is rounded to; products like round sizes.
_MULTIPLE = 8


@dataclass(frozen=True, kw_only=True)
class Model:
    """The shape of a decoder-only transformer, in GPT-2's style, Llama's, or any between."""

    name: str
    """The preset's name; a label, not part of the fingerprint."""
    version: int = 1
    """Raised when the mathematics changes."""
    family: Literal["decoder"] = "decoder"
    """Which implementation in `selector.train.model` builds it."""
    depth: int
    """Number of transformer blocks."""
    width: int
    """Size of the residual stream; a multiple of `heads`."""
    heads: int | Literal["auto"] = "auto"
    """Attention heads in each block; auto: width / head_size."""
    head_size: int | Literal["auto"] = "auto"
    """Size of a head; auto: width / heads. Where both are auto, the largest even divisor of the
    width up to 64, or up to 128 from width 768 on."""
    kv_heads: int | Literal["auto"] = "auto"
    """Heads of keys and values, each shared by heads / kv_heads queries (arXiv 2305.13245); auto:
    as many as heads."""
    mlp_ratio: float | Literal["auto"] = "auto"
    """Hidden size of the feed-forward layer divided by `width`, rounded to a multiple of 8 where
    that is not whole; auto: 4, or 8/3 with swiglu, whose three matrices then weigh as much."""
    activation: Literal["gelu", "relu", "relu2", "swiglu", "tanh", "sigmoid"] = "gelu"
    """Nonlinearity of the feed-forward layer; relu2 is the square of relu (arXiv 2109.08668),
    swiglu multiplies by a gate of its own (arXiv 2002.05202)."""
    experts: int = 0
    """Feed-forward layers in each block, of which each token passes through a few that a router
    picks for it (arXiv 1701.06538); 0: one, for all."""
    experts_per_token: int = 2
    """Experts that a token passes through: those of the highest probabilities, which are their
    weights in the sum, divided by their own sum where there are two or more (arXiv 2202.08906)."""
    expert_capacity: float = 1.25
    """In training an expert takes this many times its even share of the tokens of a sequence at
    most, the first ones; it adds nothing to the others (arXiv 2101.03961, section 2.2)."""
    balance_loss: float = 0.01
    """Weight in the training loss of what grows as experts are chosen unevenly (arXiv 2101.03961,
    equation 4), a term for each block."""
    norm: Literal["layer", "rms", "none", "batch"] = "layer"
    """What normalizes activations: layer norm, root mean square (arXiv 1910.07467; it has no bias
    vector), or nothing. batch is refused here: see `__post_init__`."""
    norm_place: Literal["pre", "post"] = "pre"
    """pre: at the start of each branch, and once at the end; post: after each sum
    (arXiv 2002.04745)."""
    position: Literal["learned", "sinusoidal", "rope", "alibi", "none"] = "learned"
    """How positions come in: a trained table, fixed sines (arXiv 1706.03762), rotated queries and
    keys (arXiv 2104.09864), scores that fall with the distance (arXiv 2108.12409), or not."""
    bias: bool = True
    """Whether linear layers and layer norms have bias vectors."""
    tied_embeddings: bool = True
    """Whether the output projection is the token embedding's transpose."""
    qk_norm: bool = False
    """Whether queries and keys are normalized to unit root mean square before attention."""
    logit_softcap: float = 0.0
    """Logits stay between -logit_softcap and it, softly: c * tanh(logits / c) (arXiv 2408.00118);
    0: off."""
    parallel_block: bool = False
    """Whether attention and the feed-forward layer of a block read the same input, side by side,
    instead of one after the other (arXiv 2204.02311, section 2)."""
    initialization: Literal["normal", "fan_in", "xavier"] = "normal"
    """Standard deviation of hidden matrices and of an untied head at the start: `init_std`,
    1 / sqrt(inputs), or sqrt(2 / (inputs + outputs)). Tables have `init_std`, biases 0."""
    init_std: float = 0.02
    """Standard deviation of what `initialization` does not derive from a matrix's shape."""
    residual_init: Literal["scaled", "plain", "zero"] = "scaled"
    """Projections back into the residual stream at the start: divided by sqrt(2 * depth) as in
    GPT-2, as other matrices, or 0."""
    parametrization: Literal["standard", "per_layer_rate", "mup"] = "standard"
    """How initial values, multipliers and learning rates follow the width. standard: they do not.
    per_layer_rate: the rates of hidden matrices do (arXiv 2407.05872). mup: all of them, as in
    table 8 of arXiv 2203.03466 (see `selector.train.model.parametrization`)."""
    base_width: int = 128
    """The width at which all parametrizations are alike: rates found there stay good at others."""

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built, and what would have no effect."""
        limits.refuse(vars(self))
        found = (self._norm_mistake(), self._expert_mistake(), *self._head_mistakes())
        mistakes = [text for text in found if text]
        if mistakes:
            raise ValueError("\n".join(mistakes))

    @property
    def num_heads(self) -> int:
        """Attention heads in each block."""
        if self.heads != "auto":
            return self.heads
        return max(1, self.width // _head_size(self.width, self.head_size))

    @property
    def num_kv_heads(self) -> int:
        """Heads of keys and values in each block."""
        return self.num_heads if self.kv_heads == "auto" else self.kv_heads

    @property
    def size_of_head(self) -> int:
        """Features of one head."""
        return self.width // self.num_heads

    @property
    def base_size_of_head(self) -> float:
        """Features of one head at `base_width`: there are as many heads, or they are as large."""
        if self.heads != "auto":
            return self.base_width / self.heads
        return float(min(self.base_width, _head_size(self.base_width, self.head_size)))

    @property
    def gated(self) -> bool:
        """Whether the feed-forward layer has a third matrix, of its gate."""
        return self.activation == "swiglu"

    @property
    def hidden(self) -> int:
        """Hidden size of the feed-forward layer."""
        size = float(self.width * self._ratio)
        return round(size) if size.is_integer() else max(1, round(size / _MULTIPLE)) * _MULTIPLE

    @property
    def mlps(self) -> int:
        """Feed-forward layers in each block: experts, or one."""
        return max(1, self.experts)

    @property
    def active_mlps(self) -> int:
        """Of them those that a token passes through, if it finds a place."""
        return self.experts_per_token if self.experts else 1

    def expert_places(self, length: int) -> int:
        """How many tokens of a sequence an expert takes in training at most."""
        even = length * self.experts_per_token / self.experts
        return min(length, math.ceil(self.expert_capacity * even))

    @property
    def separate_query(self) -> bool:
        """Whether queries have a matrix of their own: with grouped heads, and under mup."""
        return self.num_kv_heads < self.num_heads or self.parametrization == "mup"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person may not expect: what was rounded, and what has no effect."""
        found = []
        if not float(self.width * self._ratio).is_integer():
            found.append(
                f"mlp_ratio: {self._ratio:g} times width {self.width} is rounded to {self.hidden},"
                f" a multiple of {_MULTIPLE}"
            )
        if self.parametrization == "standard" and self.base_width != type(self).base_width:
            found.append("base_width: has no effect with parametrization=standard")
        found += [
            f"{name}: has no effect with experts=0"
            for name in ("experts_per_token", "expert_capacity", "balance_loss")
            if not self.experts and getattr(self, name) != getattr(type(self), name)
        ]
        return tuple(found)

    @property
    def _ratio(self) -> float:
        if self.mlp_ratio == "auto":
            return 8 / 3 if self.gated else 4.0
        return self.mlp_ratio

    def _norm_mistake(self) -> str | None:
        if self.norm == "batch":
            return (
                "norm: batch is refused for causal models: its statistics over positions and"
                " sequences let a position see later ones; expected layer or rms or none"
            )
        if self.norm == "none" and self.norm_place == "post":
            return "norm_place: post has no effect with norm=none; leave it at pre"
        return None

    def _expert_mistake(self) -> str | None:
        if self.experts == 1:
            return "experts: a router has nothing to choose from 1; expected 0 (none) or from 2"
        if self.experts and self.experts_per_token > self.experts:
            return (
                f"experts_per_token: expected at most {self.experts} experts,"
                f" got {self.experts_per_token}"
            )
        return None

    def _head_mistakes(self) -> list[str]:
        if self.heads != "auto" and self.width % self.heads:
            return [f"width: {self.width} is not a multiple of heads ({self.heads})"]
        if self.heads == "auto" and self.width % _head_size(self.width, self.head_size):
            allowed = "has no even divisor from 8 to 64 that heads could have as their size"
            if self.head_size != "auto":
                allowed = f"is not a multiple of head_size ({self.head_size})"
            return [f"width: {self.width} {allowed}"]
        found = []
        if self.head_size != "auto" and self.head_size != self.size_of_head:
            found.append(
                f"head_size: {self.heads} heads of {self.head_size} do not make width {self.width};"
                " leave one of heads and head_size at auto"
            )
        if self.num_heads % self.num_kv_heads:
            found.append(
                f"kv_heads: expected a divisor of {self.num_heads} heads, got {self.kv_heads}"
            )
        if self.position == "rope" and self.size_of_head % 2:
            found.append(
                f"position: rope turns pairs of features, and a head has {self.size_of_head}"
                f" (width {self.width}, {self.num_heads} heads); expected an even number"
            )
        return found


def _head_size(width: int, given: int | Literal["auto"]) -> int:
    """`given`, or the largest even divisor of the width that a head should have as its size.

    More than the width, which is no divisor of it, where there is none.
    """
    if given != "auto":
        return given
    largest = 2 * _HEAD_SIZE if width >= _WIDE else _HEAD_SIZE
    sizes = range(largest, _SMALLEST_HEAD - 1, -2)
    return next((size for size in sizes if width % size == 0), width + 1)
