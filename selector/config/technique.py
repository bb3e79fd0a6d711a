"""One option of an axis whose settings are its own: an optimizer, a schedule, a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from selector.config import algorithms, limits

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]


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
        limits.refuse(self.values)
        named = "algorithm" in self.values
        values = algorithms.completed(self.values) if named else dict(self.values)
        object.__setattr__(self, "values", MappingProxyType(values))

    def __getitem__(self, key: str) -> Any:
        """The setting called `key`."""
        return self.values[key]
