"""Remedies as commands: every one of them is a command line that selector accepts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from selector.config.batch import Batch
from selector.config.dotted import value_at
from selector.config.identity import plain
from selector.config.limits import mistake
from selector.report.digits import setting
from selector.space.interval import Interval
from selector.study.study import Arm, Study


def again(study: Study, overrides: list[str], suffix: str) -> str:
    """The command that asks a changed question beside the stored one."""
    return shlex.join(
        [
            "selector",
            "run",
            study.name,
            *overrides,
            f"name={study.name[: 63 - len(suffix)]}_{suffix}",
        ]
    )


def go_on(study: Study, *overrides: str) -> str:
    """The command that goes on with the stored question: only counts and places may change."""
    return shlex.join(["selector", "run", study.name, *overrides])


def settings(study: Study, values: Mapping[str, float]) -> list[str]:
    """Overrides for all arms: of the keys that every arm has and none compares or tunes."""
    return [
        f"{key}={setting(value)}"
        for key, value in values.items()
        if all(_is_free(arm, key) for arm in study.arms)
        and not mistake(key.rpartition(".")[2], value)
    ]


def scoped(study: Study, arm: Arm, key: str) -> list[str]:
    """Overrides that leave `arm` alone in the study, where a range for `key` would not fit all."""
    own = arm.space.dimensions.get(key)
    others = [other for other in study.arms if has(other, key)]
    if all(other.space.dimensions.get(key) == own for other in others):
        return []
    return alone(arm)


def alone(arm: Arm) -> list[str]:
    """Overrides that leave `arm` alone in the study."""
    return [f"{name}={setting(value)}" for name, value in arm.compared.items()]


def range_text(item: Interval, low: float, high: float) -> str:
    """A range from `low` to `high` as an override's value, on the scale of `item`."""
    ends = [_rounded(end, item.integer) for end in (low, high)]
    inner = f"interval({ends[0]},{ends[1]})"
    return f"tag(log,{inner})" if item.log else inner


def smaller_batch(batch: Batch) -> list[str]:
    """Half of the micro-batch or less, with as many more of them: the same tokens per step.

    Empty where the micro-batch is one sequence already.
    """
    size = batch.micro_batch
    factor = next((divisor for divisor in range(2, size + 1) if size % divisor == 0), 0)
    if not factor:
        return []
    return [
        f"batch.micro_batch={size // factor}",
        f"batch.accumulation={batch.accumulation * factor}",
    ]


def has(arm: Arm, key: str) -> bool:
    """Whether the arm's configuration has `key`."""
    return key in arm.space.dimensions or value_at(plain(arm.config), key) is not None


def _is_free(arm: Arm, key: str) -> bool:
    return key not in arm.space.dimensions and key not in arm.compared and has(arm, key)


def _rounded(value: float, integer: bool) -> str:
    return str(max(1, round(value))) if integer else setting(float(value))
