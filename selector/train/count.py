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


def one_pass(config: RunConfig) -> RunConfig:
    """`config` with nothing but a forward and backward pass over one sequence of full length.

    Without what regularization adds (SAM's second gradient), what checkpointing computes again,
    and the optimizer's own products.
    """
    return replace(
        config,
        batch=Batch(name=config.batch.name, micro_batch=1, context=config.batch.context),
        optimizer=Technique(name="sgd"),
        regularization=Regularization(),
        compute=Compute(),
    )


def counted_flops_per_token(config: RunConfig) -> float:
    """FLOPs of a real forward and backward pass of `one_pass(config)`, per token.

    Counted by torch's FlopCounterMode (matrix products, attention in full although it is causal)
    on the meta device: nothing is computed and no memory taken, however large the model.
    """
    bank = Bank(one_pass(config), 1, torch.device("meta"))
    shape = (1, 1, 1, config.batch.context + 1)
    windows = torch.zeros(shape, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        bank.compute_gradients(windows)
    return float(counter.get_total_flops()) / config.batch.context
