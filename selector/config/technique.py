"""One option of an axis whose settings are its own: an optimizer, a schedule, a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from selector.config import algorithms, limits

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]

_MOST_DECAY = 0.1  # a share of the weights in a step: none is left after a few dozen


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One option of a one-of axis whose values are its own: an optimizer, a schedule, a sampler."""

    name: str
    """The option's name in `conf/<axis>/` and in the dict of implementations."""
    version: int = 1
    """Raised when the mathematics changes; part of every fingerprint."""
    banked: bool = True
    """Whether the implementation is vectorized over the slots of a bank."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The technique's own settings, by their names in its YAML file."""

    def __post_init__(self) -> None:
        """Freeze the values and refuse those outside their limits; complete an algorithm's."""
        values, wrong = dict(self.values), []
        try:
            limits.refuse(values)
            if values.get("decay_rule") == "independent":
                _refuse_decay(values["weight_decay"])
        except ValueError as error:
            wrong.append(str(error))
        if "algorithm" in values:
            try:
                values = algorithms.completed(values)
            except ValueError as error:
                wrong.append(str(error))
        elif text := algorithms.rate_mistake(algorithms.ALGORITHMS.get(self.name, ""), values):
            wrong.append(text)
        if wrong:
            raise ValueError("\n".join(wrong))
        object.__setattr__(self, "values", MappingProxyType(values))

    def __getitem__(self, key: str) -> Any:
        """The setting called `key`."""
        return self.values[key]


def _refuse_decay(share: Any) -> None:
    """Refuse the usual multiple of the rate where the share itself is meant."""
    if limits.is_number(share) and share >= _MOST_DECAY:
        raise ValueError(
            "weight_decay: with decay_rule=independent matrices lose this share in every step;"
            f" expected a number below {_MOST_DECAY}, such as the rate times the usual weight decay"
            f" (2e-3 * 0.1), got {share}"
        )
