"""What is behind a plan: what each arm's model costs, and what its settings come to.

Torch is loaded when it is asked: it counts the operations, and knows the parameters' groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.space.cost import flops_per_token, non_embedding_parameters, parameters
from selector.study.study import Arm, Study


@dataclass(frozen=True, kw_only=True)
class Length:
    """A run of an arm at its own defaults, in tokens and optimizer steps."""

    tokens: int
    tokens_per_step: int
    steps: int
    warmup_steps: int
    """Steps before the first one at the highest rate."""
    decay_steps: int
    """Steps after the last one at the highest rate."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What the arms called `arms`, which do not differ in any of this, come to."""

    arms: tuple[str, ...]
    parameters: int
    non_embedding_parameters: int
    flops_per_token: int
    """By formula."""
    counted_flops_per_token: float
    """As torch counts them in a forward and backward pass."""
    length: Length | None
    """None: the tokens of a run are not known before the data is prepared or timed."""

    @property
    def ratio(self) -> float:
        """Counted over formula."""
        return self.counted_flops_per_token / self.flops_per_token


def explain(study: Study) -> tuple[Explained, ...]:
    """Every arm explained, those that come to the same together.

    Raises:
        ConfigError: an arm trains a function of the user's, or replays results.
    """
    for arm in study.arms:
        if not arm.config.built_in:
            raise ConfigError(
                "--explain: expected arms of the built-in trainer, got objective.kind"
                f" {arm.config.objective.kind} in {arm.name}: what a token costs is not known there"
            )
    counted: dict[str, float] = {}
    found: dict[Explained, list[str]] = {}
    for arm in study.arms:
        found.setdefault(_explained(arm, counted), []).append(arm.name)
    return tuple(replace(item, arms=tuple(names)) for item, names in found.items())


def _explained(arm: Arm, counted: dict[str, float]) -> Explained:
    from selector.train.count import counted_flops_per_token

    config = arm.config
    shape = repr((config.model, config.data.vocabulary, config.batch.context))
    if shape not in counted:
        counted[shape] = counted_flops_per_token(config)
    return Explained(
        arms=(),
        parameters=parameters(config),
        non_embedding_parameters=non_embedding_parameters(config),
        flops_per_token=flops_per_token(config),
        counted_flops_per_token=counted[shape],
        length=_length(config, arm.tokens) if arm.tokens else None,
    )


def _length(config: RunConfig, tokens: int) -> Length:
    from selector.train.schedule import factors

    steps = config.steps(tokens)
    rates = factors(config.schedule, steps)
    highest = max(rates)
    at_peak = [step for step, rate in enumerate(rates) if rate == highest]
    return Length(
        tokens=tokens,
        tokens_per_step=config.batch.tokens_per_step,
        steps=steps,
        warmup_steps=at_peak[0],
        decay_steps=steps - 1 - at_peak[-1],
    )
