"""Ranges that are given by their middle: `{around: step_law, factor: 8}`.

The middle follows from the arm's size and length; it is worked out once, when the study is
resolved, and study.yaml holds plain bounds. Nothing is decided by it: the range is searched, and
extended where the best lies at its edge, as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from selector.config.limits import is_number
from selector.config.schema import RunConfig
from selector.config.study import ComposedArm, ComposedStudy
from selector.space.length import tokens_asked
from selector.space.step_law import StepLaw, suggested

_AROUND = "step_law"
_FACTOR = 8.0
_KEYS = ("around", "factor", "log", "grid", "when")


def is_centred(mapping: Any) -> bool:
    """Whether a range is given by its middle."""
    return isinstance(mapping, Mapping) and "around" in mapping


def with_bounds(
    composed: ComposedStudy, arm: ComposedArm, key: str, mapping: Mapping[str, Any]
) -> dict[str, Any]:
    """The range at `key` with low and high in place of its middle; on a log scale.

    Raises:
        ValueError: what is wrong with it, or why it has no middle here.
    """
    if unknown := sorted(set(mapping) - set(_KEYS)):
        raise ValueError(
            f"expected a range around a middle with {', '.join(_KEYS)}, got {unknown[0]}"
        )
    if mapping["around"] != _AROUND:
        raise ValueError(f"around: expected {_AROUND}, got {mapping['around']!r}")
    factor = mapping.get("factor", _FACTOR)
    if not is_number(factor) or not 1 < factor < math.inf:
        raise ValueError(f"factor: expected a finite number above 1, got {factor!r}")
    middle = _middle(key, arm.config, law(composed, arm))
    low, high = middle / factor, middle * factor
    if key == "batch.micro_batch":
        low, high = max(1, round(low)), max(2, round(high))
    else:
        low, high = _short(low), _short(high)
    kept = {name: mapping[name] for name in ("grid", "when") if name in mapping}
    return {"low": low, "high": high, "log": mapping.get("log", True), **kept}


def law(composed: ComposedStudy, arm: ComposedArm) -> StepLaw:
    """What the law says at the arm's own size and length.

    Raises:
        ValueError: nothing, or the length is not known before the text is read.
    """
    unit, amount = arm.length
    if unit == "epochs":
        raise ValueError(
            f"around: the tokens of {amount:g} epochs are known after the text is read;"
            " expected budget.tokens or budget.flops, or a range with low and high"
        )
    first = composed.arms[0].config
    return suggested(arm.config, tokens_asked((unit, amount), first, 0))


def centre_notes(composed: ComposedStudy) -> list[str]:
    """Where each middle comes from, for readers of the plan."""
    tune = composed.question.tune
    ranges = tune.items() if isinstance(tune, Mapping) else ()
    keys = [key for key, item in ranges if is_centred(item)]
    found = []
    for arm in composed.arms:
        for key in keys:
            try:
                found.append(
                    f"{arm.name}: the range of {key} lies around {law(composed, arm)}: where to"
                    " search, not what is best"
                )
            except ValueError:  # told where the space was opened
                continue
    return found


def _middle(key: str, config: RunConfig, found: StepLaw) -> float:
    if key == "optimizer.lr":
        return found.lr
    if key == "batch.micro_batch":
        return found.batch_tokens / config.batch.context / config.batch.accumulation
    raise ValueError(
        f"around: the Step Law says nothing of {key}; expected optimizer.lr or batch.micro_batch"
    )


def _short(value: float) -> float:
    """Three digits: more would suggest that they are known."""
    return float(f"{value:.3g}")
