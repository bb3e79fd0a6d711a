"""What is behind a plan: what each arm's model costs, and what its settings come to.

Torch is loaded when it is asked: it counts the operations, and knows the parameters' groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.space.cost import (
    active_parameters,
    flops_per_token,
    non_embedding_parameters,
    parameters,
    product_weights,
)
from selector.space.derived import effective, width_multipliers
from selector.space.memory import Memory, memory, not_counted
from selector.space.step_law import StepLaw, silence, suggested
from selector.study.group_rates import Rates, rates
from selector.study.study import Arm, Study


@dataclass(frozen=True, kw_only=True)
class Length:
    """A run of an arm at its own defaults, in tokens and optimizer steps."""

    tokens: int
    tokens_per_step: int
    """At full size, where it grows."""
    steps: int
    warmup_steps: int
    decay_steps: int
    """Steps after the last one at the highest rate."""
    reacts: bool
    """Whether the rate follows the evaluations instead: then no decay is planned."""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A value that follows from others."""

    name: str
    value: float
    because: str
    """From what, by which rule or source."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What the arms called `arms`, which do not differ in any of this, come to."""

    arms: tuple[str, ...]
    parameters: int
    active_parameters: int
    """Those that one token meets: without the experts that it does not pass through."""
    non_embedding_parameters: int
    flops_per_token: int
    """By formula, of the mean token of a run: contexts may grow, and SAM takes two gradients."""
    one_pass_flops_per_token: int
    """By formula, of one forward and backward pass over a sequence of full length."""
    counted_flops_per_token: float
    """The same as torch counts it."""
    ratio: float
    """Counted over formula."""
    memory: Memory
    """By formula, of one run alone."""
    not_counted: str
    """What of its optimizer's memory the formula leaves out; empty: nothing."""
    length: Length | None
    """None: the tokens of a run are not known before the data is prepared or timed."""
    rates: tuple[Rates, ...]
    """By parameter group."""
    derived: tuple[Derived, ...]
    step_law: StepLaw | None
    """What it says of rate and batch: a prior, never an answer. None where it says nothing, or the
    length is not known."""


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
    from selector.train.count import counted_flops_per_token, one_pass

    config = arm.config
    shape = repr((config.model, config.data.vocabulary, config.batch.context))
    if shape not in counted:
        counted[shape] = counted_flops_per_token(config)
    once = flops_per_token(one_pass(config))
    return Explained(
        arms=(),
        parameters=parameters(config),
        active_parameters=active_parameters(config),
        non_embedding_parameters=non_embedding_parameters(config),
        flops_per_token=flops_per_token(config),
        one_pass_flops_per_token=once,
        counted_flops_per_token=counted[shape],
        ratio=counted[shape] / once,
        memory=memory(config),
        not_counted=not_counted(config),
        length=_length(config, arm.tokens) if arm.tokens else None,
        rates=rates(arm),
        derived=_derived(config, arm.tokens),
        step_law=suggested(config, arm.tokens) if arm.tokens and not silence(config) else None,
    )


def _length(config: RunConfig, tokens: int) -> Length:
    from selector.train.schedule import REACTS, factors
    from selector.train.schedule.warmup import warmed_steps

    steps = config.steps(tokens)
    shares = factors(config.schedule, steps)
    highest = max(shares)
    last = max(step for step, share in enumerate(shares) if share == highest)
    return Length(
        tokens=tokens,
        tokens_per_step=config.batch.tokens_per_step,
        steps=steps,
        warmup_steps=warmed_steps(steps, config.schedule.values),
        decay_steps=steps - 1 - last,
        reacts=config.schedule.name == REACTS,
    )


def _derived(config: RunConfig, tokens: int) -> tuple[Derived, ...]:
    """What an arm's settings come to, with what each follows from."""
    found = [
        Derived(
            name="heads",
            value=config.model.num_heads,
            because=f"model.width / {config.model.size_of_head} of a head",
        )
    ]
    given = config.optimizer.values
    found += [
        Derived(
            name=f"optimizer.{name}",
            value=value,
            because=f"{given[name]} at {given['beta2_at_batch']} tokens a step: its half-life in"
            f" tokens is kept at {config.batch.tokens_per_step} (arXiv 2507.07101)",
        )
        for name, value in effective(config).items()
        if isinstance(value, float) and value != given[name]
    ]
    found += [
        Derived(
            name=f"rate of {section}",
            value=multiplier,
            because=f"{config.model.parametrization} at width {config.model.width}, by the rate at"
            f" base_width {config.model.base_width}",
        )
        for section, multiplier in width_multipliers(config).items()
        if multiplier != 1
    ]
    if tokens:
        found.append(
            Derived(
                name="tokens a parameter",
                value=tokens / product_weights(config),
                because="tokens of a run / weights of its matrix products; 20 is compute-optimal"
                " for large models (arXiv 2203.15556)",
            )
        )
    return tuple(found)
