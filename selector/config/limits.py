"""Limits of every number in a configuration, by its name: one name means one quantity everywhere.

A number must be finite; one that is not listed here must not be negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

#: name -> (low, high, whether low itself is allowed, whether high itself is allowed)
LIMITS: Mapping[str, tuple[float, float, bool, bool]] = {
    "replicates": (1, 100, True, True),  # sub-searches have blocks of 1000 seeds each
    "most_replicates": (0, 100, True, True),
    "verdict_seeds": (1, 100, True, True),
    "screen": (0, 100, True, True),
    "extensions": (0, 4, True, True),
    "max_failed_share": (0, 1, False, True),
    "horizon_tokens": (0, math.inf, False, False),
    "lr": (0, math.inf, False, False),
    "aux_lr_ratio": (0, math.inf, False, False),
    "eps": (0, math.inf, False, False),
    "eps1": (0, math.inf, False, False),
    "eps2": (0, math.inf, False, False),
    "update_clip": (0, math.inf, False, False),
    "beta2_power": (0, 1, False, True),
    "momentum": (0, 1, True, False),
    "aux_eps": (0, math.inf, False, False),
    "aux_beta1": (0, 1, True, False),
    "aux_beta2": (0, 1, True, False),
    "beta1": (0, 1, True, False),
    "beta2": (0, 1, True, False),
    "betas": (0, 1, True, False),
    "beta3": (0, 1, True, False),
    "beta1_1d": (0, 1, True, False),
    "beta2_1d": (0, 1, True, False),
    "shampoo_beta": (0, 1, True, False),
    "matrix_eps": (0, math.inf, False, False),
    "alpha_warmup": (0, 1, True, True),
    "lr_1d_ratio": (0, math.inf, False, False),
    "d0": (0, math.inf, False, False),
    "d_coef": (0, math.inf, False, False),
    "largest_update": (0, math.inf, False, False),
    "warmup": (0, 1, True, True),
    "decay": (0, 1, False, True),
    "floor": (0, 1, True, True),
    "batch_warmup": (0, 1, True, True),
    "context_warmup": (0, 1, True, True),
    "start": (0, 1, False, True),
    "final": (0, 1, False, True),
    "gamma": (0, 1, False, True),
    "milestones": (0, 1, False, False),
    "threshold": (0, 1, True, False),
    "power": (0, math.inf, False, False),
    "stretch": (0, math.inf, False, False),
    "dropout": (0, 1, True, False),
    "prune": (0, 1, True, False),
    "mlp_ratio": (0, math.inf, False, False),
    "expert_capacity": (0, math.inf, False, False),
    "init_std": (0, math.inf, False, False),
    "label_smoothing": (0, 1, True, False),
    "stochastic_depth": (0, 1, True, False),
    "ema": (0, 1, True, True),
    "swa": (0, 1, True, True),
    "layer_rate_decay": (0, 1, False, True),
    "validation_share": (0, 0.9, True, True),
    "test_share": (0, 0.9, True, True),
    "explore_share": (0, 1, False, True),
    "spread": (0, 1, False, True),
} | dict.fromkeys(
    [
        *("version", "depth", "width", "heads", "vocabulary", "base_width"),
        "experts_per_token",
        *("micro_batch", "accumulation", "context", "context_start"),
        *("head_size", "kv_heads"),
        *("evaluations", "evaluation_tokens"),
        *("trials", "startup_trials", "tokens", "workers", "ns_steps", "max_arms", "cycles"),
        *("precondition_frequency", "max_precondition_dim", "start_preconditioning_step"),
        *("block_size", "update_period", "num_samples"),
    ],
    (1, math.inf, True, False),
)
#: Settings whose value is one of a few words.
WORDS: Mapping[str, tuple[str, ...]] = {
    "shape": ("linear", "one_minus_sqrt"),
    "decay_rule": ("coupled", "decoupled", "independent"),
    "scale": ("original", "match_rms_adamw"),
    "anneal": ("cosine", "linear"),
}
#: Numbers in whose place a word may stand: what it means follows from the run.
OR_WORDS: Mapping[str, tuple[str, ...]] = {"warmup": ("auto",)}
#: Settings that are a list of any length.
LISTS = frozenset({"milestones"})
#: Settings that are whole numbers, or auto.
WHOLE = ("heads", "head_size", "kv_heads")
_DEFAULT = (0.0, math.inf, True, False)


def allowed(name: str) -> str:
    """The limits of `name` in words: 'from 0 to below 1'."""
    low, high, low_in, high_in = LIMITS.get(name, _DEFAULT)
    start = f"from {low:g}" if low_in else f"above {low:g}"
    if math.isinf(high):
        return f"a finite number {start}"
    return f"a number {start} to {'' if high_in else 'below '}{high:g}"


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is an int or a float; a bool is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def mistake(name: str, value: object) -> str | None:
    """What is wrong with `value` as a `name`, or None; its kind is not judged."""
    if isinstance(value, str) and name in WORDS and value not in WORDS[name]:
        return f"{name}: expected {' or '.join(WORDS[name])}, got {value!r}"
    if isinstance(value, str) and name in OR_WORDS and value not in OR_WORDS[name]:
        return f"{name}: expected {allowed(name)} or {' or '.join(OR_WORDS[name])}, got {value!r}"
    low, high, low_in, high_in = LIMITS.get(name, _DEFAULT)
    for number in value if isinstance(value, tuple | list) else (value,):
        if not is_number(number):
            continue
        above = number >= low if low_in else number > low
        below = number <= high if high_in else number < high
        if not (math.isfinite(number) and above and below):
            return f"{name}: expected {allowed(name)}, got {number}"
    return None


def refuse(values: Mapping[str, Any]) -> None:
    """Raise ValueError, a line for each, where a number is not finite or outside its limits."""
    mistakes = [text for name, value in values.items() if (text := mistake(name, value))]
    if mistakes:
        raise ValueError("\n".join(mistakes))


def refuse_not_finite(values: Mapping[str, Any]) -> None:
    """Raise ValueError where a number is not finite; for settings whose meaning is the user's."""
    mistakes = [
        f"{name}: expected a finite number, got {value}"
        for name, value in values.items()
        if is_number(value) and not math.isfinite(value)
    ]
    if mistakes:
        raise ValueError("\n".join(mistakes))
