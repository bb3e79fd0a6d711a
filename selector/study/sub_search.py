"""One independent search inside an arm: what it tried, what it was told, what it wants next.

A pure function of the results noted in it, so that a controller, a report and a simulation agree:

    first runs of all trials → (rungs: the promoted, longer) → screening → verdict of the finalist
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from selector.study.sampler import Past
from selector.study.study import Arm, Study
from selector.track.run import Outcome, Result, Run, Stage, Told, Trial

T = TypeVar("T")

#: With rungs, one of this many trials is trained at full length.
REDUCTION = 3


def _once(method: Callable[[SubSearch], T]) -> Callable[[SubSearch], T]:
    """Work a method's answer out once after each change."""

    @wraps(method)
    def known(search: SubSearch) -> T:
        if method.__name__ not in search._known:
            search._known[method.__name__] = method(search)
        answer: T = search._known[method.__name__]
        return answer

    return known


@dataclass
class SubSearch:
    """One independent search inside an arm."""

    study: Study
    arm: Arm
    number: int
    total: int
    """Trials that it makes; grows where a range or the budget does."""
    trials: list[Trial] = field(default_factory=list)
    past: list[Past] = field(default_factory=list)
    """The same for a sampler."""
    told: dict[int, Told] = field(default_factory=dict)
    """What the sampler was told of each trial's first run, by index of the trial."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """How the first runs ended."""
    short: dict[int, float] = field(default_factory=dict)
    """Values of the short runs of the first rung that may be promoted."""
    values: dict[int, float] = field(default_factory=dict)
    """Values of the explore runs that completed within the constraints."""
    explored: set[int] = field(default_factory=set)
    """Trials whose explore run is over."""
    screens: dict[int, float | None] = field(default_factory=dict)
    """Values of the screening runs; None where one has none."""
    verdicts: dict[int, dict[str, Result]] = field(default_factory=dict)
    """Verdict runs that are over, by index of the trial and key of the run."""
    _known: dict[str, Any] = field(default_factory=dict)
    """What was worked out since the last change: an arm with thousands of trials is asked often."""

    @property
    def first_stage(self) -> Stage:
        """The stage of a trial's first run."""
        return Stage.RUNG1 if self.study.rungs else Stage.EXPLORE

    @property
    def asked(self) -> int:
        """Trials proposed so far."""
        return len(self.trials)

    @property
    def running(self) -> int:
        """Trials whose first run is not over."""
        return len(self.trials) - len(self.told)

    @property
    def tried(self) -> bool:
        """Whether every trial's first run is over."""
        return len(self.told) >= self.total

    @property
    @_once
    def searched(self) -> bool:
        """Whether every run that the search itself asks for is over."""
        return self.tried and (not self.study.rungs or self.explored >= set(self.promoted()))

    def grow(self, total: int) -> None:
        """Have `total` trials."""
        self._known.clear()
        self.total = total

    def add(self, trial: Trial) -> None:
        """Take a proposed trial."""
        self._known.clear()
        self.trials.append(trial)
        self.past.append(Past(values=trial.values, told=None))

    def note(self, trial: Trial, run: Run, result: Result, *, feasible: bool) -> None:
        """Take the result of a run; `feasible`: it completed within the study's constraints."""
        self._known.clear()
        index, value = trial.index, result.value if feasible else None
        if run.stage == self.first_stage:
            assert result.told is not None
            self.told[index] = result.told
            self.past[index] = Past(values=trial.values, told=result.told)
            self.outcomes[index] = result.outcome
        if run.stage == Stage.RUNG1 and value is not None:
            self.short[index] = value
        elif run.stage == Stage.EXPLORE:
            self.explored.add(index)
            if value is not None:
                self.values[index] = value
        elif run.stage == Stage.SCREEN:
            self.screens[index] = value
        elif run.stage == Stage.VERDICT:
            self.verdicts.setdefault(index, {})[run.key] = result

    @_once
    def promoted(self) -> list[int]:
        """Trials that the first rung promotes: its best, and one at random.

        The random one measures what the ranking of short trainings loses.
        """
        count = promotions(self.total)
        ranked = _ranked(self.short, self.study)
        best, rest = ranked[: count - 1], ranked[count - 1 :]
        if not rest:
            return best
        place = f"{self.study.seed}/{self.arm.name}/{self.number}/promotion"
        return [*best, random.Random(place).choice(sorted(rest))]

    @_once
    def candidates(self) -> list[int]:
        """Trials of which screening chooses the finalist, the best explored first."""
        return _ranked(self.values, self.study)[: max(1, self.study.budget.screen)]

    def best_explored(self) -> Trial | None:
        """The best trial of the search alone."""
        return self.trials[self.candidates()[0]] if self.values else None

    @_once
    def leader(self) -> Trial | None:
        """The best trial by what is known now: the finalist, once all that decides it is over."""
        known: dict[int, list[float]] = {}
        for index in self.candidates():
            screen = self.screens.get(index, math.nan)
            if screen is not None:  # it trained on a second seed as well, or was not asked to
                known[index] = [self.values[index], *([] if math.isnan(screen) else [screen])]
        screened = {index: values for index, values in known.items() if len(values) > 1}
        # A screened value and an unscreened one, chosen for being low, cannot be compared.
        chosen = screened or known or {index: [self.values[index]] for index in self.candidates()}
        means = {index: statistics.fmean(values) for index, values in chosen.items()}
        return self.trials[_ranked(means, self.study)[0]] if means else None

    def finalist(self) -> Trial | None:
        """The trial that goes to the verdict; None before the search is over, or where none can."""
        return self.leader() if self.searched and self._screened() else None

    def confirmed(self, trial: Trial) -> Mapping[str, Result]:
        """The verdict runs of a trial that are over, by key."""
        return self.verdicts.get(trial.index, {})

    def promotions(self) -> Iterator[Trial]:
        """Trials that the first rung promotes and whose explore run is not over."""
        if self.study.rungs and self.tried:
            yield from (self.trials[i] for i in self.promoted() if i not in self.explored)

    def to_screen(self) -> Iterator[Trial]:
        """Trials whose screening run is not over; none where screening is off."""
        if self.searched and not self._screened():
            yield from (self.trials[i] for i in self.candidates() if i not in self.screens)

    @property
    @_once
    def runs(self) -> int:
        """Runs that it makes as far as is known now."""
        promoted = promotions(self.total) if self.study.rungs else 0
        if self.tried and self.study.rungs:
            promoted = len(self.promoted())
        if self.searched and not self.values:  # nothing trains
            return self.total + promoted
        screens = self.study.budget.screen if self.study.screens else 0
        if self.searched:
            screens = min(screens, len(self.values))
        return self.total + promoted + screens + self.study.verdict_seeds

    @property
    @_once
    def finished(self) -> int:
        """Runs over of those that count: the verdict runs of an earlier finalist do not."""
        over = len(self.told)
        if self.study.rungs and self.tried:
            over += len(self.explored & set(self.promoted()))
        if self.searched and self.study.screens:
            over += len(self.screens.keys() & set(self.candidates()))
        finalist = self.finalist()
        return over + (len(self.confirmed(finalist)) if finalist else 0)

    def _screened(self) -> bool:
        return not self.study.screens or self.screens.keys() >= set(self.candidates())


def promotions(trials: int) -> int:
    """How many of `trials` trials the first rung promotes, one of them drawn at random."""
    return min(trials, max(2, math.ceil(trials / REDUCTION)))


def _ranked(values: Mapping[int, float], study: Study) -> list[int]:
    """Indices, the best value first; the earlier trial of equals."""
    sign = 1 if study.minimize else -1
    return sorted(values, key=lambda index: (sign * values[index], index))
