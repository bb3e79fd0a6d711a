"""The sampler's seam and its implementations: which point a sub-search tries next.

A suggestion is a function of (study seed, arm, sub-search, index, what was told so far). A fresh
sampler is made for every ask, so a study that was stopped goes on exactly as it would have.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from selector.config.decode import unknown
from selector.config.schema import Scalar, Technique, Value
from selector.errors import ConfigError
from selector.space.dimension import Choices, Dimension
from selector.space.space import Space
from selector.track.run import Told


@dataclass(frozen=True, kw_only=True)
class Past:
    """A trial asked earlier in the same sub-search; `told` is None while it runs."""

    values: Mapping[str, Value]
    told: Told | None


class Sampler(ABC):
    """Proposes the values of one sub-search's trials."""

    #: Whether suggestions depend on results: then only some trials run at the same time.
    learns = False

    @abstractmethod
    def suggest(
        self, space: Space, index: int, past: Sequence[Past], seed: int, minimize: bool
    ) -> dict[str, Scalar]:
        """Values for the trial `index` (from 0), given the earlier ones in the order asked."""


class RandomSampler(Sampler):
    """Independent points, uniform over each dimension (over its logarithm where it says so)."""

    def suggest(
        self, space: Space, index: int, past: Sequence[Past], seed: int, minimize: bool
    ) -> dict[str, Scalar]:
        """A point that depends on the seed alone."""
        generator = random.Random(seed)
        return {key: item.at(generator.random()) for key, item in space.dimensions.items()}


class GridSampler(Sampler):
    """Every combination of grid points, once; enumerated here because Optuna's repeats points."""

    def suggest(
        self, space: Space, index: int, past: Sequence[Past], seed: int, minimize: bool
    ) -> dict[str, Scalar]:
        """A grid point, each once; shuffled, so that a budget below the grid spreads over it."""
        points = space.grid()
        order = list(range(len(points)))
        random.Random(len(points)).shuffle(order)
        return points[order[index]]


class OptunaSampler(Sampler):
    """One of Optuna's samplers over an in-memory study, rebuilt from the record at every ask."""

    learns = True

    def __init__(self, startup_trials: int) -> None:
        self.startup_trials = startup_trials

    def suggest(
        self, space: Space, index: int, past: Sequence[Past], seed: int, minimize: bool
    ) -> dict[str, Scalar]:
        """The point that the sampler proposes after the trials of `past`."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(n_startup_trials=self.startup_trials, seed=seed)
        study = optuna.create_study(
            direction="minimize" if minimize else "maximize", sampler=sampler
        )
        distributions = {key: _distribution(item) for key, item in space.dimensions.items()}
        study.add_trials([_frozen(item, distributions) for item in past])
        trial = study.ask(distributions)
        return {key: trial.params[key] for key in space.dimensions}


#: Name in conf/sampler -> how it is built from its settings.
SAMPLERS: dict[str, Callable[[Technique], Sampler]] = {
    "random": lambda technique: RandomSampler(),
    "grid": lambda technique: GridSampler(),
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


def ask_seed(study_seed: int, arm: str, sub_search: int, index: int, attempt: int = 0) -> int:
    """The seed of one suggestion: 32 bits of a hash of where in the study it is asked."""
    text = f"{study_seed}/{arm}/{sub_search}/{index}/{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _distribution(item: Dimension):  # type: ignore[no-untyped-def]
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(item, Choices):
        return CategoricalDistribution(item.values)
    if item.integer:
        step = 1 if item.step is None else int(item.step)
        return IntDistribution(int(item.low), int(item.high), log=item.log, step=step)
    return FloatDistribution(item.low, item.high, log=item.log, step=item.step)


def _frozen(past: Past, distributions):  # type: ignore[no-untyped-def]
    from optuna.trial import TrialState, create_trial

    params = dict(past.values)
    if past.told is None:
        return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
    if past.told.state == "fail":
        return create_trial(state=TrialState.FAIL, params=params, distributions=distributions)
    return create_trial(
        state=TrialState.COMPLETE,
        value=past.told.value,
        params=params,
        distributions=distributions,
        constraints={"failed": past.told.constraint},
    )
