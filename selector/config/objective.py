"""What a run is trained to do, and the metric that judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from selector.config import limits
from selector.config.technique import Value


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a run is trained to do, and the metric that judges it."""

    name: str
    """The option's name in `conf/objective/`."""
    version: int = 1
    """Raised when the mathematics changes; a function's owner raises it likewise."""
    kind: Literal["causal_lm", "function", "replay"] = "causal_lm"
    """Which runner executes it: the built-in trainer, a function of the user's, or a table."""
    metric: str
    """Name of the reported metric whose last value is the run's value."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Whether a smaller or a larger value of the metric is better."""
    evaluations: int = 8
    """How often the validation part is evaluated in a run, the last step included."""
    evaluation_tokens: int = 32_768
    """At most this many tokens of a part are evaluated; the whole part where it is smaller."""
    function: str = ""
    """`package.module:function` for `kind: function`; importing it runs the user's code."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """The user's function's own settings, or a replay's: what selects rows of its table."""
    table: str = ""
    """For `kind: replay`: a CSV file of results, .gz too; one row is one run."""
    fingerprint: str = ""
    """Hash of the table's content; written when the table is checked."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Parameter or metric -> its column, where that has another name."""
    lookup: Literal["nearest", "interpolate"] = "nearest"
    """The nearest row, or a smooth model through the rows that agree in all but scaled numbers."""
    scales: Mapping[str, Literal["log", "linear", "exact"]] = field(default_factory=dict)
    """How a parameter that is a number finds its rows; what is tuned gets its range's scale, what
    is not tuned is matched exactly."""
    horizon: str = ""
    """Column that holds the length of a row's run; a run takes the rows nearest to its own."""
    horizon_tokens: float = 1.0
    """Training tokens in one unit of the horizon's column."""
    noise: float | Literal["rows"] = "rows"
    """Standard deviation between seeds; rows: that of repeated rows."""

    def __post_init__(self) -> None:
        """Freeze the mappings and refuse numbers outside their limits."""
        for name in ("parameters", "columns", "scales"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        limits.refuse({**vars(self), "parameters": None})
        limits.refuse_not_finite(self.parameters)
        if self.kind == "function" and ":" not in self.function:
            raise ValueError(f"function: expected 'package.module:function', got {self.function!r}")
        if self.kind == "replay":
            self._refuse_replay()

    def _refuse_replay(self) -> None:
        known = {*self.parameters, self.metric}
        mistakes = [
            *(["table: expected the path of a CSV file, got ''"] if not self.table else []),
            *(
                f"scales.{name}: expected log, linear or exact, got {scale!r}"
                for name, scale in self.scales.items()
                if scale not in ("log", "linear", "exact")
            ),
            *(
                f"{group}.{name}: is no parameter; there are {', '.join(sorted(known)) or 'none'}"
                for group in ("columns", "scales")
                for name in getattr(self, group)
                if name not in known
            ),
        ]
        if mistakes:
            raise ValueError("\n".join(mistakes))
