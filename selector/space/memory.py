"""How much memory a bank of runs takes, by formula: bytes, without Python's and PyTorch's own.

Counted is what the trainer keeps at its fullest moment, the start of a backward pass: rows of
parameters, gradients (those of the pass beside those of the step) and optimizer state, what each
block keeps for its backward pass, and the logits. What lives for one operation is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from selector.config.schema import RunConfig
from selector.space.cost import mlps_per_token, parameters

_FULL, _HALF = 4, 2  # bytes of fp32; of bf16 and fp16
#: Rows of state that a rule keeps for each parameter; Adafactor's are sums over rows and columns.
_STATE = {
    **dict.fromkeys(("sgd", "lion", "adagrad", "schedule_free_sgd"), 1),
    **dict.fromkeys(("ademamix", "mars", "sophia"), 3),
    "adafactor": 0,
    "prodigy": 4,
}
_STATE_OTHERWISE = 2  # Adam's two moments; most rules of libraries keep as much
#: Keep matrices beside these rows, or whatever their algorithm wants.
_MORE = ("soap", "shampoo", "library")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a bank of runs at its fullest moment."""

    parameters: int
    gradients: int
    optimizer: int
    """State of the update rule, averages of the weights, SAM's copy."""
    activations: int
    """What one micro-batch keeps for its backward pass."""
    logits: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.logits


def memory(config: RunConfig, width: int = 1) -> Memory:
    """The memory of a bank of `width` runs of `config`."""
    row = parameters(config) * _FULL * width
    tokens = config.batch.micro_batch * config.batch.context * width
    switches, low = config.regularization, config.compute.precision in ("bf16", "fp16", "float8")
    state = _STATE.get(config.optimizer.name, _STATE_OTHERWISE)
    copies = state + bool(switches.averages) + bool(switches.sam)
    # Low precision keeps the copies of the weights that it multiplied by, too.
    weights = parameters(config) * _HALF * width if low else 0
    return Memory(
        parameters=row,
        gradients=2 * row,
        optimizer=copies * row,
        activations=tokens * _kept(config) + weights,
        # The probabilities, and the gradients of them and of the logits.
        logits=3 * tokens * config.data.vocabulary * _FULL,
    )


def not_counted(config: RunConfig) -> str:
    """What of the optimizer's state the formula leaves out, in words; empty: nothing."""
    name = config.optimizer.name
    if name not in _MORE:
        return ""
    own = config.optimizer.values.get("algorithm", name)
    return f"what {own} keeps beyond {_STATE_OTHERWISE} numbers a parameter is not counted"


def _kept(config: RunConfig) -> int:
    """Bytes that all blocks keep for the backward pass of one token.

    With checkpointing, what enters each of them, and one block's own at a time.
    """
    entering, inside = config.model.width * _FULL, block_bytes(config)
    depth = config.model.depth
    if config.compute.activation_checkpointing:
        return depth * entering + inside
    return depth * inside


def block_bytes(config: RunConfig) -> int:
    """Bytes that a block keeps for the backward pass of one token.

    As counted in arXiv 2205.05198, section 4.1, for fused attention, which keeps no scores. In
    numbers a token for GPT-2's block: width 2 for the residual stream that each norm reads, 2 for
    what the norms make of it, 3 for queries, keys and values, 2 for what attention gives out and
    its contiguous copy, and twice the hidden layer, before and after its activation. Experts keep
    the latter, and what enters them, for all their places, and what each token gets back. In half
    precision all but the residual stream take 2 bytes; float8 keeps what enters a product in 1.
    """
    model, precision = config.model, config.compute.precision
    width, norms = model.width, 1 if model.parallel_block else 2
    keys = model.num_kv_heads * model.size_of_head
    turned = model.qk_norm + (model.position == "rope")  # each makes new queries and keys
    residual = norms * width * _FULL
    dropped = 2 * 2 * width * _FULL if config.regularization.dropout else 0  # branch and its mask
    mlps = float(mlps_per_token(model, config.batch.context))
    hidden, moved = round(mlps * model.hidden), 0
    if model.experts:
        moved = round(mlps * width) + model.active_mlps * width
    entering = (norms + 1) * width + hidden
    other = (
        2 * width + 2 * keys + turned * (width + keys) + hidden * (3 if model.gated else 1) + moved
    )
    if precision == "float8":
        return residual + dropped + entering + other * _HALF
    each = _HALF if precision in ("bf16", "fp16") else _FULL
    return residual + dropped + (entering + other) * each
