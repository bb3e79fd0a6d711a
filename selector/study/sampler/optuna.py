"""Optuna's samplers over an in-memory study that is rebuilt from the record at every ask.

They see choices and countable values as their numbers (so true is not 1, and the steps of a range
are exactly ours), and a key whose condition is false not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selector.config.technique import Scalar, Value
from selector.space.dimension import Choices, Dimension
from selector.study.sampler.base import Ask, Past, Sampler, usable
from selector.study.sampler.quasi_random import QuasiRandomSampler


class OptunaSampler(Sampler):
    """A sampler of Optuna's after a quasi-random start.

    Args:
        build: Optuna's sampler from the seed of an ask and `startup_trials`.
        startup_trials: How many quasi-random points come first.
        most: How many results it is shown (see `thinned`).
    """

    learns = True

    def __init__(self, build: Callable[[int, int], Any], startup_trials: int, most: int) -> None:
        self._build, self._startup_trials, self._most = build, startup_trials, most
        self._first = QuasiRandomSampler()

    def independent(self, index: int, total: int, known: int = 0) -> bool:
        """Whether `index` belongs to the start, which observations from elsewhere shorten."""
        return index + known < self._startup_trials

    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """The point that Optuna proposes after the trials of `past`."""
        space, index = ask.space, ask.index
        begins = self.independent(index, ask.total, len(ask.past) - index)
        past = [] if begins else usable(space, index, ask.past)
        if not any(item.told is not None and item.told.constraint <= 0 for item in past):
            return self._first.suggest(ask)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="minimize" if ask.minimize else "maximize",
            sampler=self._build(ask.seed, self._startup_trials),
        )
        distributions = {key: _distribution(item) for key, item in space.dimensions.items()}
        shown = thinned(past, self._most, ask.minimize)
        # Without an infeasible trial there is nothing to learn of constraints: a model is saved.
        constrained = any(item.told is not None and item.told.constraint > 0 for item in shown)
        study.add_trials(
            [_frozen(item, space.dimensions, distributions, constrained) for item in shown]
        )
        trial = study.ask(
            {key: distributions[key] for key in space.dimensions if not space.dimensions[key].when}
        )
        values: dict[str, Scalar] = {}
        for key in space.order:
            if space.has(key, values):
                number = trial._suggest(key, distributions[key])
                values[key] = _meant(space.dimensions[key], number)
        return {key: values[key] for key in space.dimensions if key in values}


def tree_parzen(seed: int, startup_trials: int) -> Any:
    """Optuna's TPE sampler, which draws from the densities of good and of other trials."""
    from optuna.samplers import TPESampler

    return TPESampler(n_startup_trials=startup_trials, seed=seed)


def gaussian_process(seed: int, startup_trials: int) -> Any:
    """Optuna's GP sampler; keys with conditions come from TPE, for it would draw them at random."""
    from optuna.samplers import GPSampler

    return GPSampler(
        n_startup_trials=startup_trials,
        seed=seed,
        independent_sampler=tree_parzen(seed, startup_trials),
        warn_independent_sampling=False,
    )


def thinned(past: Sequence[Past], most: int, minimize: bool) -> list[Past]:
    """At most about `most` of the trials, in the order asked, for samplers whose time grows.

    A quarter are the best ones, which a sampler learns most from (TPE takes 25 of any number), the
    rest are spread evenly over the others; trials that run are all kept.
    """
    if len(past) <= most:
        return list(past)
    sign = 1.0 if minimize else -1.0
    over = [place for place, item in enumerate(past) if item.told and item.told.value is not None]
    over.sort(key=lambda place: (past[place].told.constraint > 0, sign * past[place].told.value))  # type: ignore[operator,union-attr]
    kept = set(over[: most // 4])
    others = sorted(over[most // 4 :])
    room = most - len(kept)
    kept |= {others[place * len(others) // room] for place in range(room)} if others else set()
    kept |= {place for place, item in enumerate(past) if item.told is None}
    return [past[place] for place in sorted(kept)]


def _distribution(item: Dimension) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(item, Choices):
        return CategoricalDistribution(tuple(range(len(item.values))))
    if item.count is not None:
        return IntDistribution(0, item.count - 1)
    if item.integer:
        return IntDistribution(int(item.low), int(item.high), log=True)
    return FloatDistribution(item.low, item.high, log=item.log)


def _shown(item: Dimension, value: Value) -> Any:
    """What Optuna is shown of a value."""
    if isinstance(item, Choices):
        return item.place(value)  # type: ignore[arg-type]
    return value if item.count is None else item.place(value)  # type: ignore[arg-type]


def _meant(item: Dimension, number: Any) -> Scalar:
    """The value that Optuna's number stands for."""
    if isinstance(item, Choices):
        return item.values[int(number)]
    if item.count is not None:
        return item.value(int(number))
    return int(number) if item.integer else min(max(float(number), item.low), item.high)


def _frozen(
    past: Past,
    dimensions: Mapping[str, Dimension],
    distributions: Mapping[str, Any],
    constrained: bool,
) -> Any:
    from optuna.trial import TrialState, create_trial

    keys = [key for key in dimensions if key in past.values]
    told, state = past.told, TrialState.COMPLETE
    if told is None:
        state = TrialState.RUNNING
    elif told.value is None:
        state = TrialState.FAIL
    return create_trial(
        state=state,
        value=told.value if told and state is TrialState.COMPLETE else None,
        params={key: _shown(dimensions[key], past.values[key]) for key in keys},
        distributions={key: distributions[key] for key in keys},
        constraints={"failed": told.constraint}
        if told and constrained and state is TrialState.COMPLETE
        else None,
    )
