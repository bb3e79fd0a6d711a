"""Which parameters an optimizer treats alike: what the width scales, what decays, what Muon takes.

The one place that decides it; banks train by it and `selector plan --explain` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selector.config.schema import RunConfig
from selector.space.derived import effective, width_multipliers
from selector.train.layout import SECTIONS, Parameter, Section
from selector.train.model import MODELS


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters of one section (and block, where rates differ by block), treated alike."""

    name: str
    """Section, or `section.block`."""
    rule: str
    """Which update they get: the optimizer's name, or adamw where Muon leaves them to it."""
    block: int | None
    """The number of their block where rates differ by block, else None."""
    parameters: tuple[Parameter, ...]
    rate: float
    """Their learning rate divided by the optimizer's `lr`."""
    decay: float
    """Multiplier of lr * weight_decay, the share by which decoupled decay shrinks them in a step;
    0: no rule decays them. What the width makes of a rate is left out: decay that falls with it
    loses the transfer under mup (arXiv 2510.15262), so it stays as it is at `base_width`."""

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(parameter.size for parameter in self.parameters)

    def peak_rate(self, values: Mapping[str, Any]) -> float:
        """The group's learning rate where the schedule is at its peak; `values` of the rule."""
        return float(values["lr"]) * self.rate

    def peak_decay(self, values: Mapping[str, Any]) -> float | None:
        """The share by which decay shrinks the group in a step at the peak; None: it is coupled.

        A library's optimizer has its own rule, which is taken to be the decoupled one.
        """
        rule, decay = values.get("decay_rule", "decoupled"), float(values["weight_decay"])
        if not self.decay or not decay:
            return 0.0
        if rule == "coupled":
            return None
        return decay if rule == "independent" else float(values["lr"]) * decay * self.decay


def parameters(config: RunConfig) -> list[Parameter]:
    """The parameters of a run's model, in the order in which they are drawn."""
    family = MODELS[config.model.family]
    return family.parameters(config.model, config.data.vocabulary, config.batch.context)


def groups(config: RunConfig) -> list[Group]:
    """The groups of a run's parameters; no two of them share a parameter, and all have one.

    Names and parameters are equal for all runs of one fuse key, the multipliers need not be.
    """
    return grouped(
        parameters(config),
        config.optimizer.name,
        effective(config),
        widths=width_multipliers(config),
        layers=layer_multipliers(config),
    )


def layer_multipliers(config: RunConfig) -> Mapping[int, float]:
    """Block -> multiplier of its rate and decay; empty: rates do not differ by block.

    Blocks count from 0; -1 stands for what comes before them (embeddings, a tied one too), and
    their number for what comes after them (the last norm, the head). Each has the rate of what
    comes after it times `layer_rate_decay` (arXiv 2106.08254, whose embeddings are lowest, too).
    """
    share, depth = config.regularization.layer_rate_decay, config.model.depth
    if share == 1.0:
        return {}
    return {block: share ** (depth - block) for block in range(-1, depth + 1)}


def grouped(
    parameters: Sequence[Parameter],
    optimizer: str,
    values: Mapping[str, Any],
    *,
    widths: Mapping[str, float] | None = None,
    layers: Mapping[int, float] | None = None,
) -> list[Group]:
    """The groups of some parameters.

    Args:
        parameters: of the model; `N.NAME` is one of block N.
        optimizer: its name.
        values: of its rule.
        widths: section -> multiplier of the rate; none: 1.
        layers: see `layer_multipliers`.
    """
    members: dict[tuple[Section, int | None], list[Parameter]] = {}
    for parameter in parameters:
        block = _block(parameter, layers) if layers else None
        members.setdefault((parameter.section, block), []).append(parameter)
    found = []
    for (section, block), own in sorted(members.items(), key=_order):
        aux = optimizer == "muon" and section != "hidden"
        share = float(values["aux_lr_ratio"]) if aux else 1.0
        if layers and block is not None:
            share *= layers[block]
        decays = section in ("hidden", "head") or (
            section == "embedding" and bool(values.get("decay_embeddings", True))
        )
        numbered = own[0].name.partition(".")[0].isdigit()
        found.append(
            Group(
                name=f"{section}.{block}" if layers and numbered else section,
                rule="adamw" if aux else optimizer,
                block=block,
                parameters=tuple(own),
                rate=share * (widths[section] if widths else 1.0),
                decay=share if decays else 0.0,
            )
        )
    return found


def _block(parameter: Parameter, layers: Mapping[int, float]) -> int:
    number = parameter.name.partition(".")[0]
    if number.isdigit():
        return int(number)
    return -1 if parameter.section == "embedding" else max(layers)


def _order(item: tuple[tuple[Section, int | None], list[Parameter]]) -> tuple[int, int]:
    (section, block), _ = item
    return SECTIONS.index(section), -1 if block is None else block
