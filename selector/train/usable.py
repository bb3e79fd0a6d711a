"""Whether this machine can compute as a run asks, found out before any run is made."""

from __future__ import annotations

from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.train import compiled, float8
from selector.train.arithmetic import arithmetic
from selector.train.device import find
from selector.train.layout import Layout
from selector.train.optimizer.groups import parameters


def refuse_unusable(config: RunConfig) -> None:
    """Try the device, the precision and the compiler of a run; nothing is trained.

    Raises:
        ConfigError: what is missing.
    """
    device = find(config.compute.device)
    arithmetic(config.compute, device)
    if config.compute.precision == "float8":
        float8.refuse_odd_sizes(Layout(parameters(config)))
    if config.compute.compile and (lacking := compiled.missing(device)):
        raise ConfigError(f"compute.compile: {lacking}")
