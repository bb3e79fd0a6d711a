"""What a study file says beside its groups: the question, what is compared, tuned and set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from selector.config import limits
from selector.config.schema import GROUPS
from selector.config.secrets import refuse_variable


@dataclass(frozen=True, kw_only=True)
class Margin:
    """What counts as practically equal: the larger of the two."""

    absolute: float
    """In units of the metric (nats per token for the losses)."""
    share: float
    """Of the first arm's value."""

    def __post_init__(self) -> None:
        """Refuse negative margins."""
        limits.refuse(vars(self))


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Who is told when the study ends, stalls or fails; nobody by default."""

    command: tuple[str, ...] = ()
    """A program and its arguments; given on the command line only, and never stored."""
    webhook_variable: str = ""
    """The environment variable that holds a webhook's address, which is a secret."""
    stalled_minutes: float = 30.0
    """A study in which no run reports anything for so long has stalled; 0: none ever does."""

    def __post_init__(self) -> None:
        """Refuse an address in the variable's place, and times that are none."""
        limits.refuse(vars(self))
        refuse_variable("webhook_variable", self.webhook_variable)


@dataclass(frozen=True, kw_only=True)
class Question:
    """The keys of `conf/selector_study.yaml` that are no groups."""

    name: str
    """Of the folders runs/NAME and reports/NAME."""
    question: str
    """In one sentence, as the report shows it."""
    compare: Mapping[str, Any]
    """Group or dotted key -> list of options or values; arms are the product."""
    arms: tuple[Mapping[str, Any], ...]
    """Arms one by one: {group or dotted key: option or value}."""
    tune: str | tuple[str, ...] | Mapping[str, Any]
    """auto, groups or dotted keys whose space is opened, or dotted key -> range."""
    tune_lr: bool
    """Whether the learning rate is tuned in every arm, whatever `tune` says."""
    set: Mapping[str, Any]
    """Dotted key -> value, in every arm that has the key."""
    seed: int
    """Of everything random in the study."""
    margin: Margin
    """Differences up to this size are practically equal."""
    max_arms: int
    """More arms than this are refused."""
    fair: Literal["tokens", "flops", "seconds"] = "tokens"
    """What a run of every arm gets as much of as one of the first arm."""
    subject_to: tuple[str, ...] = ()
    """Constraints on what a run reports or costs: `NAME < NUMBER` or `NAME > NUMBER`."""
    pareto: tuple[str, ...] = ()
    """Costs against which the report shows quality: seconds, flops, peak_memory_gib, parameters."""
    then: tuple[Literal["together"], ...] = ()
    """Stages after the verdict; together: the accepted arms' choices at once, and each left out."""

    notify: Notify = field(default_factory=Notify)
    """Who is told when the study ends, stalls or fails."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning in its place."""
        limits.refuse({"seed": self.seed, "max_arms": self.max_arms})
        mistakes = []
        if isinstance(self.tune, str) and self.tune != "auto":
            mistakes.append(f"tune: expected auto, a list, or key: range; got {self.tune!r}")
        for key in self.set:
            group, _, rest = key.partition(".")
            if group not in GROUPS or not rest:
                mistakes.append(f"set.{key}: expected GROUP.KEY of one of {', '.join(GROUPS)}")
        for key, values in self.compare.items():
            if not isinstance(values, tuple) or not values:
                mistakes.append(
                    f"compare.{key}: expected a list of options or values, got {values!r}"
                )
            elif any(value in values[:place] for place, value in enumerate(values)):
                mistakes.append(f"compare.{key}: expected different values, got {list(values)}")
        if mistakes:
            raise ValueError("\n".join(mistakes))
