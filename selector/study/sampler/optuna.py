"""Optuna's samplers over an in-memory study that is rebuilt from the record at every ask."""

from __future__ import annotations

from collections.abc import Sequence

from selector.config.schema import Scalar
from selector.space.dimension import Choices, Dimension
from selector.space.space import Space
from selector.study.sampler.base import Past, Sampler


class OptunaSampler(Sampler):
    """One of Optuna's samplers over an in-memory study, rebuilt from the record at every ask."""

    learns = True

    def __init__(self, startup_trials: int) -> None:
        self.startup_trials = startup_trials

    def suggest(
        self,
        space: Space,
        index: int,
        past: Sequence[Past],
        seed: int,
        minimize: bool,
        *,
        total: int,
        search_seed: int,
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
