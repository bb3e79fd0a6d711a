"""What a token costs, counted by torch: the formula of `selector.space.cost` is held against it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.regularization import Regularization
from selector.config.schema import RunConfig
from selector.config.technique import Technique
from selector.train.bank import Bank


def at_full_length(config: RunConfig) -> RunConfig:
    """`config` with steps of one sequence, at the full context from the first step on."""
    batch = config.batch
    alone = Batch(name=batch.name, micro_batch=1, context=batch.context)
    return replace(config, batch=alone)


def counted_flops_per_token(config: RunConfig) -> float:
    """FLOPs of a real forward and backward pass on one sequence of full length, per token of it.

    Counted by torch's FlopCounterMode (matrix products, attention in full although it is causal)
    on the meta device: nothing is computed and no memory taken, however large the model. Of the
    model and the objective alone: without the optimizer, what regularization adds (SAM's second
    gradient) and what checkpointing computes again.
    """
    plain = replace(
        at_full_length(config),
        optimizer=Technique(name="sgd"),
        regularization=Regularization(),
        compute=Compute(),
    )
    bank = Bank(plain, 1, torch.device("meta"))
    shape = (1, 1, 1, config.batch.context + 1)
    windows = torch.zeros(shape, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        bank.compute_gradients(windows)
    return float(counter.get_total_flops()) / config.batch.context
