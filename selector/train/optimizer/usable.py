"""Whether an optimizer of a library could train, found out before any run is made."""

from __future__ import annotations

import torch

from selector.config.schema import RunConfig
from selector.space.derived import effective
from selector.train.layout import Layout, Parameter
from selector.train.optimizer import OPTIMIZERS
from selector.train.optimizer.groups import grouped

_PARAMETERS = (
    Parameter(name="matrix", shape=(2, 2), section="hidden"),
    Parameter(name="table", shape=(2, 2), section="embedding"),
    Parameter(name="vector", shape=(2,), section="vector"),
)


def refuse_unusable(config: RunConfig) -> None:
    """Build the optimizer for a few numbers.

    Raises:
        ConfigError: its library is not installed, or refuses the values.
    """
    layout, values = Layout(_PARAMETERS), effective(config)
    groups = grouped(_PARAMETERS, config.optimizer.name, values)
    row = torch.zeros(1, layout.size)
    optimizer = OPTIMIZERS[config.optimizer.name](layout, row, torch.zeros_like(row), groups)
    optimizer.expect(0, seed=0, steps=1)
    optimizer.enter(0, values, groups)
