"""What a run needs here and may lack, found out before any run is made."""

from __future__ import annotations

from selector.config import extras
from selector.config.compute import Compute
from selector.config.schema import RunConfig
from selector.errors import ConfigError

#: Of a run's compute, what every machine has.
_PLAIN = (Compute.device, Compute.precision, Compute.compile)


def refuse_unusable(config: RunConfig) -> None:
    """Refuse a device, a precision or a library that is not here, or that refuses its values.

    PyTorch is imported only where there is something to try.

    Raises:
        ConfigError: what is missing or refused, a line each.
    """
    if not config.built_in:
        return
    mistakes: list[str] = []
    compute = config.compute
    if (compute.device, compute.precision, compute.compile) != _PLAIN:
        from selector.train.usable import refuse_unusable as refuse_compute

        try:
            refuse_compute(config)
        except ConfigError as error:
            mistakes += error.mistakes
    if text := extras.missing(config.optimizer):
        mistakes.append(text)
    elif not config.optimizer.banked:
        from selector.train.optimizer.usable import refuse_unusable as refuse_optimizer

        try:
            refuse_optimizer(config)
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
