"""What a run needs here and may lack, found out before any run is made."""

from __future__ import annotations

from selector.config.schema import RunConfig


def refuse_unusable(config: RunConfig) -> None:
    """Refuse an optimizer of a library that is not installed, or that refuses its values.

    PyTorch is imported only where there is something to try.

    Raises:
        ConfigError: what is missing or refused.
    """
    if config.built_in and not config.optimizer.banked:
        from selector.train.optimizer.usable import refuse_unusable as refuse

        refuse(config)
