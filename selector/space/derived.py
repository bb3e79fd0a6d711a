"""Values that depend on each other: what an optimizer's rule takes, from what is configured.

Plans and reports show the configured values; a bank trains with the effective ones, and
`selector plan --explain` shows both.
"""

from __future__ import annotations

from collections.abc import Mapping

from selector.config.parametrization import exponents
from selector.config.schema import RunConfig
from selector.config.technique import Value

#: Decays of second moments: those of first moments are not what the rule is about.
_SECOND_MOMENTS = ("beta2", "aux_beta2")


def effective(config: RunConfig) -> dict[str, Value]:
    """The values of the optimizer's rule.

    Where `beta2_at_batch` is not 0, the decay of the second moment is meant for that many tokens a
    step, and its half-life in tokens is kept at the run's own batch: beta2 ** (tokens per step /
    beta2_at_batch) (arXiv 2507.07101).
    """
    values = dict(config.optimizer.values)
    meant_at = values.get("beta2_at_batch", 0)
    if isinstance(meant_at, int | float) and meant_at:
        share = config.batch.tokens_per_step / meant_at
        for name in _SECOND_MOMENTS:
            beta = values.get(name)
            if isinstance(beta, int | float):
                values[name] = float(beta) ** share
    return values


def width_multipliers(config: RunConfig) -> Mapping[str, float]:
    """Section -> what the width makes of its parameters' learning rate."""
    ratio = config.model.base_width / config.model.width
    return {
        section: ratio**power
        for section, power in exponents(config.model, config.optimizer).items()
    }
