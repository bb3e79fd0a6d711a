"""Rates and decays by parameter group, at an arm's defaults and over what is tuned in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from selector.config.limits import is_number
from selector.config.schema import RunConfig
from selector.config.technique import Value
from selector.space.derived import effective
from selector.space.interval import Interval
from selector.study.study import Arm


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How an optimizer treats some of the parameters."""

    group: str
    parameters: int
    rule: str
    """The update they get: the optimizer's, or AdamW's where Muon leaves them to it."""
    lr: float
    """Their learning rate at the schedule's peak, at the arm's own defaults."""
    lr_range: tuple[float, float]
    """The same over what is tuned; equal ends where it is not."""
    weight_decay: float
    """As configured; 0: no rule decays them."""
    weight_decay_range: tuple[float, float]
    decay_rule: str
    """decoupled, independent or coupled; empty where there is no decay, or a library does it."""
    shrinks: float | None
    """Share by which weight decay shrinks them in a step at the peak. None where it is coupled, and
    so a part of the gradient, and for libraries' optimizers, some of which scale the rate."""


def rates(arm: Arm) -> tuple[Rates, ...]:
    """The groups of an arm's parameters, as its bank would train them; loads torch."""
    from selector.train.optimizer.groups import groups

    values = effective(arm.config)
    lr, decay = _number(values, "lr"), _number(values, "weight_decay")
    rule = str(values.get("decay_rule", ""))
    ends = [_at_end(arm, place) for place in (0, -1)]
    decays = [_number(config.optimizer.values, "weight_decay") for config in ends]
    found = []
    for place, group in enumerate(groups(arm.config)):
        low, high = (
            _number(config.optimizer.values, "lr") * groups(config)[place].rate for config in ends
        )
        decayed = bool(group.decay) and decays[1] > 0
        if group.name.startswith("vector"):  # which MARS leaves to AdamW at a rate of their own
            own = _number(values, "lr_1d_ratio") or 1.0
            group = replace(group, rate=group.rate * own)
            low, high = low * own, high * own
        share = decay * group.decay * (1.0 if rule == "independent" else lr)
        found.append(
            Rates(
                group=group.name,
                parameters=group.size,
                rule=str(values["algorithm"]) if group.rule == "library" else group.rule,
                lr=lr * group.rate,
                lr_range=(low, high),
                weight_decay=decay if decayed else 0.0,
                weight_decay_range=(decays[0], decays[1]) if decayed else (0.0, 0.0),
                decay_rule=rule if decayed else "",
                shrinks=share if rule in ("decoupled", "independent") else None,
            )
        )
    return tuple(found)


def _at_end(arm: Arm, place: int) -> RunConfig:
    """The arm's configuration with the optimizer's tuned numbers at their low or high ends."""
    values = dict(arm.config.optimizer.values)
    for key, item in arm.space.dimensions.items():
        part, _, name = key.partition(".")
        if part != "optimizer":
            continue
        if isinstance(item, Interval):
            values[name] = (item.low, item.high)[place]
        else:
            numbers = [value for value in item.values if is_number(value)]
            values[name] = sorted(numbers)[place] if numbers else values[name]
    return replace(arm.config, optimizer=replace(arm.config.optimizer, values=values))


def _number(values: Mapping[str, Value], name: str) -> float:
    """A setting that is a number; 0 where the optimizer has none of that name."""
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
