"""Which point a sub-search tries next: the samplers by the names of their files in conf/sampler."""

from __future__ import annotations

from collections.abc import Callable

from selector.config.decode import unknown
from selector.config.schema import Technique
from selector.errors import ConfigError
from selector.study.sampler.base import Past, Sampler, ask_seed
from selector.study.sampler.grid import GridSampler
from selector.study.sampler.optuna import OptunaSampler
from selector.study.sampler.quasi_random import QuasiRandomSampler
from selector.study.sampler.random import RandomSampler
from selector.study.sampler.refined import RefinedSampler

__all__ = ["SAMPLERS", "Past", "Sampler", "ask_seed", "make_sampler"]

#: Name in conf/sampler -> how it is built from its settings.
SAMPLERS: dict[str, Callable[[Technique], Sampler]] = {
    "random": lambda technique: RandomSampler(),
    "grid": lambda technique: GridSampler(),
    "qmc": lambda technique: QuasiRandomSampler(),
    "refined": lambda technique: RefinedSampler(float(technique["share"])),
    "tpe": lambda technique: OptunaSampler(int(technique["startup_trials"])),
}


def make_sampler(technique: Technique) -> Sampler:
    """The sampler that a study names.

    Raises:
        ConfigError: there is no such sampler.
    """
    if technique.name not in SAMPLERS:
        raise ConfigError(f"sampler: {unknown('sampler', technique.name, list(SAMPLERS))}")
    return SAMPLERS[technique.name](technique)
