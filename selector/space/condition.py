"""When a key is tuned at all: where another one has one of some values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selector.config.technique import Scalar, Value


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Holds where `key` has one of `values`."""

    key: str
    """Dotted, from the top of a configuration."""
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        """Refuse a condition that can never hold."""
        if not self.values:
            raise ValueError(f"when: expected a value of {self.key}, got none")

    def allows(self, value: Value | None) -> bool:
        """Whether it holds at `value`; true and false are no numbers."""
        return any(
            value == item and isinstance(value, bool) == isinstance(item, bool)
            for item in self.values
        )

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it holds among `values`; not where its key has none, being absent itself."""
        return self.key in values and self.allows(values[self.key])

    def __str__(self) -> str:
        """In words: 'optimizer.nesterov is true or false'."""
        words = [str(item).lower() if isinstance(item, bool) else str(item) for item in self.values]
        return f"{self.key} is {' or '.join(words)}"
