"""The shape of a model: each switch is a value that a study can compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from selector.config import limits


@dataclass(frozen=True, kw_only=True)
class Model:
    """The shape of a decoder-only transformer in GPT-2 style."""

    name: str
    """The preset's name; a label, not part of the fingerprint."""
    version: int = 1
    """Raised when the mathematics changes."""
    family: Literal["gpt"] = "gpt"
    """Which implementation in `selector.train.model` builds it."""
    depth: int
    """Number of transformer blocks."""
    width: int
    """Size of the residual stream; a multiple of `heads`."""
    heads: int
    """Attention heads in each block."""
    mlp_ratio: int = 4
    """Hidden size of the feed-forward layer divided by `width`."""
    activation: Literal["gelu", "relu", "relu2"] = "gelu"
    """Nonlinearity of the feed-forward layer; relu2 is the square of relu."""
    bias: bool = True
    """Whether linear layers and layer norms have bias vectors."""
    tied_embeddings: bool = True
    """Whether the output projection is the token embedding's transpose."""
    qk_norm: bool = False
    """Whether queries and keys are normalized to unit root mean square before attention."""
    parametrization: Literal["standard", "per_layer_rate", "mup"] = "standard"
    """How initial values, multipliers and learning rates follow the width. standard: they do not.
    per_layer_rate: rates of hidden matrices and the head go with base_width / width
    (arXiv 2407.05872). mup: as in table 8 of arXiv 2203.03466."""
    base_width: int = 128
    """The width at which every parametrization is the same; where the rates were tuned."""

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built."""
        limits.refuse(vars(self))
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads ({self.heads})")
