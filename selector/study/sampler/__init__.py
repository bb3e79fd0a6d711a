"""Which point a sub-search tries next: the samplers by the names of their files in conf/sampler."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from selector.config.decode import unknown
from selector.config.technique import Technique
from selector.errors import ConfigError
from selector.study.sampler.base import Ask, Past, Sampler, ask_seed
from selector.study.sampler.evolution import EvolutionSampler
from selector.study.sampler.grid import GridSampler
from selector.study.sampler.optuna import OptunaSampler, gaussian_process, tree_parzen
from selector.study.sampler.quasi_random import QuasiRandomSampler
from selector.study.sampler.random import RandomSampler
from selector.study.sampler.refined import RefinedSampler

__all__ = ["SAMPLERS", "Ask", "Past", "Sampler", "ask_seed", "make_sampler", "sampler_facts"]

#: Name in conf/sampler -> how it is built from its settings.
SAMPLERS: dict[str, Callable[[Technique], Sampler]] = {
    "random": lambda technique: RandomSampler(),
    "grid": lambda technique: GridSampler(),
    "qmc": lambda technique: QuasiRandomSampler(),
    "refined": lambda technique: RefinedSampler(float(technique["explore_share"])),
    "tpe": lambda technique: OptunaSampler(tree_parzen, int(technique["startup_trials"]), 250),
    "gp": lambda technique: OptunaSampler(gaussian_process, int(technique["startup_trials"]), 100),
    "cmaes": lambda technique: EvolutionSampler(float(technique["spread"])),
}
#: Whose other version may suggest other points from the same seeds.
_LIBRARIES = {
    "refined": ("numpy", "scipy"),
    "tpe": ("optuna", "numpy"),
    "gp": ("optuna", "numpy", "scipy", "torch"),
    "cmaes": ("numpy",),
}


def make_sampler(technique: Technique) -> Sampler:
    """The sampler that a study names.

    Raises:
        ConfigError: there is no such sampler.
    """
    if technique.name not in SAMPLERS:
        raise ConfigError(f"sampler: {unknown('sampler', technique.name, list(SAMPLERS))}")
    return SAMPLERS[technique.name](technique)


def sampler_facts(technique: Technique) -> dict[str, Any]:
    """What a search can be repeated from beside its seeds: name, settings, and who computes it.

    Versions are those of the libraries that this sampler's suggestions depend on; none is imported.
    """
    return {
        "name": technique.name,
        "version": technique.version,
        **technique.values,
        "libraries": {name: version(name) for name in _LIBRARIES.get(technique.name, ())},
    }
