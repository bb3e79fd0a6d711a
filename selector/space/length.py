"""How long a run is: tokens, passes over the text or operations -> training tokens.

A run trains whole steps. A length that is given in tokens stays as it was given, so that a run
keeps its fingerprint; one that follows from something else is rounded to the nearest whole step.
"""

from __future__ import annotations

from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.space.cost import flops_per_token

#: A longer run is a slip of the pen.
_MOST = 1e18


def tokens_asked(length: tuple[str, float], config: RunConfig, training_tokens: int) -> float:
    """Training tokens that `length` means at `config`, whose training part has so many tokens."""
    unit, amount = length
    if unit == "epochs":
        return amount * training_tokens
    return amount / flops_per_token(config) if unit == "flops" else amount


def whole_steps(tokens: float, config: RunConfig) -> int:
    """The tokens of the nearest whole number of steps, at least one."""
    step = config.batch.tokens_per_step
    return max(1, round(tokens / step)) * step


def run_tokens(
    length: tuple[str, float],
    config: RunConfig,
    training_tokens: int,
    *,
    reference: RunConfig | None = None,
    factor: float = 1.0,
) -> int:
    """Training tokens of a run of `config`: `factor` times what `length` means at `reference`.

    `training_tokens` are those of the reference's training part; without one it is `config`.

    Raises:
        ConfigError: that is not one step, or a run that is not built in has no such length.
    """
    unit, amount = length
    if not config.built_in:
        if unit == "tokens":
            return int(amount)
        raise ConfigError(f"budget.{unit}: {no_cost(config)}; expected budget.tokens")
    as_given = unit == "tokens" and factor == 1
    tokens = factor * tokens_asked(length, reference or config, training_tokens)
    step = config.batch.tokens_per_step
    if tokens < step:
        meaning = "" if as_given else f", which gives {tokens:.3g} tokens"
        raise ConfigError(
            f"budget.{unit}: expected at least one step ({step} tokens), got {amount}{meaning}"
        )
    if tokens > _MOST:
        raise ConfigError(f"budget.{unit}: expected at most {_MOST:.0e} tokens, got {amount}")
    return int(amount) if as_given else whole_steps(tokens, config)


def no_cost(config: RunConfig) -> str:
    """Why a run that is not built in has no length but tokens, which it may read or not."""
    return f"what a token costs is not known for objective.kind={config.objective.kind}"
