"""Where every search of a study stands, read from the record: what all later decisions rest on."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from selector.errors import StudyError
from selector.space.space import Space
from selector.study.branching import branches
from selector.study.constraints import HOLDS, violation
from selector.study.extension import Extension, extensions_of, widen
from selector.study.start import read_start
from selector.study.study import Arm, Study
from selector.study.sub_search import SubSearch
from selector.track.record import Record
from selector.track.run import TAKEN_OVER, Outcome, Result, Run, Stage, Trial
from selector.track.trunk import has_trunk

LOOK = "look"


class ArmSearch:
    """The sub-searches of one arm, and the ranges that were extended for it."""

    def __init__(self, study: Study, arm: Arm) -> None:
        self.study, self.arm = study, arm
        self.extensions: list[Extension] = []
        self.more = 0
        """Trials in the new part of a range that another study, taken over, did not have."""
        self.sub_searches: list[SubSearch] = []
        self.failures: Counter[str] = Counter()
        """Runs that ended without a value, by outcome."""
        self._seconds: dict[str, list[float]] = {}

    def spend(self, stage: str, seconds: float) -> None:
        """Take the time of a run that completed."""
        self._seconds.setdefault(stage, []).append(seconds)

    @property
    def seconds(self) -> float | None:
        """Median time of its verdict runs, else of its explore runs that completed; None: none.

        Shorter runs would make an arm look cheap that had more of them.
        """
        known = self._seconds.get(Stage.VERDICT) or self._seconds.get(Stage.EXPLORE)
        return statistics.median(known) if known else None

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.arm.name

    @property
    def space(self) -> Space:
        """The arm's space with its extended ranges."""
        space = self.arm.space
        for item in self.extensions:
            space = widen(space, item)
        return space

    @property
    def trials(self) -> int:
        """Trials in each sub-search."""
        extended = sum(item.trials for item in self.extensions)
        return self.study.trials_in(self.arm) + self.more + extended

    @cached_property
    def branches(self) -> bool:
        """Whether its whole runs start from the trunks of their rungs."""
        return branches(self.study, self.arm)

    @property
    def searched(self) -> bool:
        """Whether the search of every sub-search is over."""
        return all(search.searched for search in self.sub_searches)

    def grow(self, units: int) -> None:
        """Have `units` sub-searches, each with all its trials."""
        for number in range(len(self.sub_searches), units):
            self.sub_searches.append(
                SubSearch(study=self.study, arm=self.arm, number=number, total=0)
            )
        for search in self.sub_searches:
            search.grow(self.trials)

    def edges(self, *, screened: bool = True) -> list[dict[str, str]]:
        """For each sub-search's best trial: dotted key -> the end of its range where it lies.

        Without `screened` the best of the search alone, which later runs do not change.
        """
        space = self.space
        found = []
        for search in self.sub_searches:
            best = search.leader() if screened else search.best_explored()
            tried = [trial.values for trial in search.trials]
            found.append(space.edges(best.values, tried) if best else {})
        return found


class Searches:
    """All searches of a study.

    Args:
        again: Outcomes of stored runs that are made again and do not count.
    """

    def __init__(self, study: Study, record: Record, again: Collection[Outcome] = ()) -> None:
        self.study, self.record, self._again = study, record, again
        self.arms = {arm.name: ArmSearch(study, arm) for arm in study.arms}
        self.units = 0
        self._last_look: dict[str, Any] = {}
        self.device_seconds = 0.0
        """Of all runs together that were made here."""
        try:
            self._take_decisions()
        except (KeyError, TypeError, ValueError) as error:
            path = record.store.path("decisions.jsonl") or "decisions.jsonl"
            raise StudyError(f"{path}: is damaged: {error!r}") from error
        self.unfinished = list(self._read())
        """First runs of stored trials that are not over."""

    def _take_decisions(self) -> None:
        """Take over the ranges that were extended, and the sub-searches that were added."""
        decisions = self.record.decisions()
        taken = read_start(self.record.store).adopted
        for arm in self.arms.values():
            arm.extensions = extensions_of(decisions, arm.name)
            arm.more = taken[arm.name].more if arm.name in taken else 0
        looks = [item for item in decisions if item["decision"] == LOOK]
        self.grow(max([self.study.looks[0], *(int(item["goes_on"]) for item in looks)]))
        self._last_look = looks[-1] if looks else {}

    def grow(self, units: int) -> None:
        """Have `units` sub-searches in each arm."""
        self.units = units
        for arm in self.arms.values():
            arm.grow(units)

    def __iter__(self) -> Iterator[SubSearch]:
        """Every sub-search, the first of each arm first."""
        for number in range(self.units):
            for arm in self.arms.values():
                yield arm.sub_searches[number]

    @property
    def settled(self) -> bool:
        """Whether the last look at what is there now asked for no further sub-searches."""
        asked = {**self.look_at(), "goes_on": self.units}
        return all(self._last_look.get(key) == value for key, value in asked.items())

    def look_at(self) -> dict[str, Any]:
        """What a look at the evidence looks at: another look is due where any of it changed."""
        study = self.study
        return {
            "units": self.units,
            "planned": study.looks[-1],
            "runs": self.total,
            "stop_when_clear": study.budget.stop_when_clear,
        }

    def looked(self, decision: dict[str, Any]) -> None:
        """Take what a look decided."""
        self._last_look = decision
        self.grow(decision["goes_on"])

    def search_of(self, trial: Trial) -> SubSearch | None:
        """The sub-search of a trial; None where the study has no such sub-search (any more)."""
        arm = self.arms.get(trial.arm)
        if arm is None or trial.sub_search >= len(arm.sub_searches):
            return None
        return arm.sub_searches[trial.sub_search]

    def violation(self, run: Run, result: Result) -> float:
        """By how much a run that completed breaks the constraints; at most 0: by nothing."""
        if result.outcome is not Outcome.COMPLETE or not self.study.constraints:
            return HOLDS
        return violation(self.study.constraints, result, run)[0]

    def note(self, trial: Trial, run: Run, result: Result) -> None:
        """Take a result."""
        arm, search = self.arms[trial.arm], self.search_of(trial)
        if TAKEN_OVER not in result.facts:
            self.device_seconds += result.seconds
        if result.outcome is Outcome.COMPLETE:
            arm.spend(run.stage, result.seconds)
        else:
            arm.failures[result.outcome.value] += 1
        if search is not None:
            feasible = self.violation(run, result) <= 0
            search.note(trial, run, result, feasible=feasible)

    @property
    def total(self) -> int:
        """Runs that the budget asks for as far as is known now."""
        return sum(search.runs for search in self)

    @property
    def finished(self) -> int:
        """Runs that are over and count."""
        return sum(search.finished for search in self)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        looked = self.settled or self.units >= self.study.looks[-1]
        return looked and all(search.finished >= search.runs for search in self)

    def progress(self) -> list[dict[str, Any]]:
        """Arm by arm: name, finished, total, failures by outcome, best value so far."""
        sign = 1 if self.study.minimize else -1
        rows = []
        for arm in self.arms.values():
            own = arm.sub_searches
            values = [value for search in own for value in search.values.values()]
            rows.append(
                {
                    "name": arm.name,
                    "finished": sum(search.finished for search in own),
                    "total": sum(search.runs for search in own),
                    "failures": dict(arm.failures),
                    "best": min(values, key=lambda value: sign * value, default=None),
                }
            )
        return rows

    def _read(self) -> Iterator[tuple[Run, Trial]]:
        """Take over what the record holds; yields first runs of trials that are not over."""
        for _, trial in sorted(self.record.trials.items()):
            search = self.search_of(trial)
            if search is None:
                continue
            if trial.index != search.asked:
                raise StudyError(
                    f"{self.record.store.path('trials')}: trial {search.asked} of"
                    f" sub-search {search.number} of {trial.arm} is missing, and later ones rest on"
                    " it; put its folder back, or start again under another name"
                )
            search.add(trial)
        waiting = {trial.number: trial for trial in self.record.trials.values()}
        for stored in self.record.runs():
            owner, result = stored.trial, stored.result
            if owner is None or result is None or result.outcome in self._again:
                continue
            search = self.search_of(owner)
            self.note(owner, stored.run, result)
            if search is not None and stored.run.stage == search.first_stage:
                del waiting[owner.number]
        for _, trial in sorted(waiting.items()):
            search = self.search_of(trial)
            if search is not None:
                yield self.run(trial, search.first_stage), trial

    def run(self, trial: Trial, stage: Stage, place: int = 0) -> Run:
        """The run of a trial at a stage, with the seed of its place."""
        arm, config = self.arms[trial.arm], trial.config
        seed = self.study.seed_of(stage, trial.sub_search, place)
        run = Run(
            key=self.record.run_key(trial, stage, seed),
            config=config,
            stage=stage,
            seed=seed,
            tokens=self.study.tokens_of(arm.arm, config, stage),
        )
        if stage == Stage.RUNG1 and arm.branches:
            return replace(run, trunk_for=self.study.tokens_of(arm.arm, config))
        if stage == Stage.EXPLORE and arm.branches:
            rung = self.rung_folder(trial)
            return replace(run, branch=rung if rung and has_trunk(rung) else None)
        return run

    def rung_folder(self, trial: Trial) -> Path | None:
        """The folder of a trial's run of the first rung; None where the record has no disk."""
        seed = self.study.seed_of(Stage.RUNG1, trial.sub_search)
        return self.record.store.path(self.record.run_key(trial, Stage.RUNG1, seed))
