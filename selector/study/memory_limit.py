"""What did not fit into the memory bounds what is drawn afterwards, in the same arm.

Memory grows with a configuration, whatever its seed, and quasi-random points learn nothing: so a
point that needs as much as those that ran out is drawn again. What a run needs is known by formula
(`space/memory.py`) for the built-in trainer. Of a function it is learnt: the one tuned key, or else
the combination of them, that best tells the runs that fitted from those that did not.

One run alone proves nothing (another program may have held the memory). Two leave the lower half of
the gap above what fitted, three a quarter of it, and so on: trials near the bound seldom fail, and
each that fits moves it up. A bound at what has fitted would fail less often still, but an arm whose
first runs were too large would be kept from all but tiny ones, and lose the comparison for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from selector.config.schema import RunConfig
from selector.config.technique import Value
from selector.space.memory import memory
from selector.space.space import Space
from selector.study.sampler.encoding import Array, Encoding
from selector.study.searches import ArmSearch
from selector.track.run import Outcome, Trial

#: These trained for a while at least, so there was memory enough.
_FITTED = (Outcome.COMPLETE, Outcome.DIVERGED)
#: Keeps the weights of a combination of keys finite where trials are few.
_RIDGE = 0.1
#: Of what fitted, the share that each further failure takes from a combination's limit.
_TENTH = 0.1


class MemoryLimit:
    """The largest need of memory that an arm may draw, from how its first runs ended."""

    def __init__(self, arm: ArmSearch, arms: Iterable[ArmSearch] = ()) -> None:
        self._arm = arm
        keys = arm.space.dimensions.keys()
        self._others = [item for item in arms if item.space.dimensions.keys() == keys]
        self._bytes: dict[int, float] = {}
        """Needs by formula, by number of the trial: they are asked for again and again."""

    def excess(self, values: Mapping[str, Value], config: RunConfig) -> float:
        """How far a configuration lies beyond the limit; at most 0 where it may be drawn.

        In bytes for the built-in trainer; else in a scale of its own, the same for all points at
        this moment.
        """
        if self._arm.failures[Outcome.OUT_OF_MEMORY.value] < 2:
            return -math.inf
        failed = _ended([self._arm], Outcome.OUT_OF_MEMORY)
        fitted = _ended([self._arm], *_FITTED)
        if config.built_in:
            need, limit = self._by_formula(failed, fitted, config)
        else:
            # Where nothing of its own fits yet, the other arms tell which side is the small one.
            known = fitted or _ended(self._others, *_FITTED)
            need, limit = _by_values(self._arm.space, failed, known, values)
        return need - limit

    def _by_formula(
        self, failed: Sequence[Trial], fitted: Sequence[Trial], config: RunConfig
    ) -> tuple[float, float]:
        known = self._bytes
        for trial in (*failed, *fitted):
            if trial.number not in known:
                known[trial.number] = float(memory(trial.config).total)
        needs = ([known[trial.number] for trial in group] for group in (failed, fitted))
        return float(memory(config).total), limit(*needs)


def _ended(arms: Iterable[ArmSearch], *outcomes: Outcome) -> list[Trial]:
    return [
        search.trials[index]
        for arm in arms
        for search in arm.sub_searches
        for index, outcome in search.outcomes.items()
        if outcome in outcomes
    ]


def limit(failed: Sequence[float], fitted: Sequence[float]) -> float:
    """The largest need that may be drawn, after runs with these needs ran out of memory or fitted.

    What ran out although more than that has fitted was somebody else's doing, and does not count.
    """
    most = max(fitted, default=0.0)
    beyond = [need for need in failed if need > most]
    if len(beyond) < 2:
        return math.inf
    return most + (min(beyond) - most) * math.pow(0.5, len(beyond) - 1)


def _by_values(
    space: Space, failed: Sequence[Trial], fitted: Sequence[Trial], values: Mapping[str, Value]
) -> tuple[float, float]:
    """Need and limit of `values`, on the scale that tells what fitted from what did not."""
    if not fitted or len(failed) < 2:
        return 0.0, math.inf  # no side is known to be the small one
    encoding = Encoding(space)
    tried = [trial.values for trial in (*failed, *fitted)]
    columns = _columns(encoding, [*tried, values])
    first, known = len(failed), len(tried)
    gaps = columns[:first].min(axis=0) - columns[first:known].max(axis=0)
    needs = columns[:, int(np.argmax(gaps))]
    if gaps.max() <= 0:  # no single key tells them apart
        return _by_combination(columns[:known], first, columns[-1])
    return float(needs[-1]), limit(needs[:first].tolist(), needs[first:known].tolist())


def _by_combination(tried: Array, failed: int, asked: Array) -> tuple[float, float]:
    """Need and limit along the straight line that best tells the first `failed` points from others.

    The line is a guess (ridge regression), so each failure takes a further tenth of what fitted.
    """
    labels = np.repeat([1.0, -1.0], [failed, len(tried) - failed])
    centred = tried - tried.mean(axis=0)
    covariance = centred.T @ centred + _RIDGE * np.eye(len(asked))
    line = np.linalg.solve(covariance, centred.T @ labels)
    allowed = np.quantile(tried[failed:] @ line, max(0.0, 1 - _TENTH * (failed - 2)))
    return float(asked @ line), float(allowed)


def _columns(encoding: Encoding, values: Sequence[Mapping[str, Value]]) -> Array:
    """Each key upwards, downwards, and each of its choices; an absent key lies in the middle."""
    units = np.nan_to_num(encoding.units(values), nan=0.5)
    return np.concatenate([units, 1 - units, encoding.features(units) / 2], axis=1)
