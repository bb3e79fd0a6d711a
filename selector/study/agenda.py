"""What to run next: a pure bookkeeping of the record, without processes or clocks.

Sub-searches advance side by side: the one with the fewest trials asks next, so that arms stay
equally tuned whenever a study is stopped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, TypeGuard

from selector.config.schema import RunConfig, Scalar
from selector.errors import ConfigError, StudyError
from selector.space.space import assign
from selector.study.sampler import Past, ask_seed, make_sampler
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.telling import told
from selector.track.record import Record
from selector.track.run import Ended, Outcome, Result, Run, Stage, Trial

#: A run whose worker died is tried again this often before it counts as lost.
ATTEMPTS = 3
#: Points drawn before a space counts as one in which hardly any configuration can exist.
DRAWS = 200
#: Outcomes that a later `selector run` tries again: code was mended, the machine is back.
TRIED_AGAIN = (Outcome.CRASHED, Outcome.LOST)


class Agenda:
    """The runs of a study that are still to be made, given what the record holds.

    Args:
        again: Outcomes of stored runs that are made again; none of them to only count.
    """

    def __init__(
        self, study: Study, record: Record, again: Collection[Outcome] = TRIED_AGAIN
    ) -> None:
        self.study, self.record, self._again = study, record, again
        self.sampler = make_sampler(study.sampler)
        self.searches = [
            SubSearch(arm=arm, number=number, total=study.trials_in(arm))
            for number in range(study.sub_searches)
            for arm in study.arms
        ]
        self._by_place = {(search.arm.name, search.number): search for search in self.searches}
        self._next_number = max(record.trials, default=0) + 1
        self._waiting: list[tuple[Run, Trial]] = []
        self._flying: dict[str, tuple[Run, Trial]] = {}
        self._attempts: Counter[str] = Counter()
        self._settled: defaultdict[int, set[str]] = defaultdict(set)
        """Verdict runs that are over, by number of their trial."""
        self._failures = {arm.name: Counter[str]() for arm in study.arms}
        self._rebuild()

    def next(self) -> tuple[Run, Trial] | None:
        """The next run to submit, stored as asked; None while all that is left must wait."""
        found = self._pop_waiting() or self._next_explore() or self._next_verdict()
        if found is None:
            return None
        run, trial = found
        run = self.record.ask(run, trial)
        self._flying[run.key] = (run, trial)
        self._attempts[run.key] += 1
        return run, trial

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight."""
        return not self._flying

    @property
    def in_flight(self) -> int:
        """Runs submitted and not over."""
        return len(self._flying)

    @property
    def total(self) -> int:
        """Runs that the budget asks for; fewer where a sub-search finds nothing that trains."""
        return sum(self._total_of(search) for search in self.searches)

    @property
    def finished(self) -> int:
        """Runs that are over."""
        return sum(self._finished_of(search) for search in self.searches)

    def progress(self) -> list[dict[str, Any]]:
        """Arm by arm: name, finished, total, failures by outcome, best value so far."""
        rows = []
        sign = 1 if self.study.minimize else -1
        for arm in self.study.arms:
            own = [search for search in self.searches if search.arm is arm]
            values = [value for search in own for value in search.values.values()]
            rows.append(
                {
                    "name": arm.name,
                    "finished": sum(self._finished_of(search) for search in own),
                    "total": sum(self._total_of(search) for search in own),
                    "failures": dict(self._failures[arm.name]),
                    "best": min(values, key=lambda value: sign * value, default=None),
                }
            )
        return rows

    def finish(self, key: str, ended: Ended) -> Result | None:
        """Store how a run ended; None where it was lost and waits for another attempt."""
        run, trial = self._flying.pop(key)
        if ended.outcome is Outcome.LOST and self._attempts[key] < ATTEMPTS:
            self._waiting.append((run, trial))
            return None
        metrics = self._last_metrics(key)
        value = metrics.get(self.study.metric) if ended.outcome is Outcome.COMPLETE else None
        search = self._by_place[trial.arm, trial.sub_search]
        what = None
        if run.stage == Stage.EXPLORE:
            known = list(search.values.values())
            what = told(ended.outcome, value, known, minimize=self.study.minimize)
        result = Result(
            outcome=ended.outcome,
            value=value,
            metrics=metrics,
            steps=ended.steps,
            seconds=ended.seconds,
            error=ended.error,
            facts={**ended.facts, "ended": datetime.now(UTC).isoformat(timespec="seconds")},
            told=what,
        )
        self.record.finish(key, result)
        self._note(search, trial, run, result)
        if run.stage == Stage.EXPLORE and search.over:
            self._decide_finalist(search)
        return result

    def _decide_finalist(self, search: SubSearch) -> None:
        trial = search.finalist(self.study.minimize)
        self.record.decide(
            {
                "decision": "finalist",
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "arm": search.arm.name,
                "sub_search": search.number,
                "trial": trial.number if trial else None,
                "value": search.values[trial.index] if trial else None,
                "trials": len(search.told),
            }
        )

    def _rebuild(self) -> None:
        """Take over what the record holds: finished runs are told, unfinished ones wait."""
        for trial in sorted(self.record.trials.values(), key=lambda trial: trial.number):
            search = self._by_place.get((trial.arm, trial.sub_search))
            if search is None:
                continue
            if trial.index != len(search.trials):
                raise StudyError(
                    f"{self.record.store.path('trials')}: trial {len(search.trials)} of"
                    f" sub-search {search.number} of {trial.arm} is missing, and later ones rest on"
                    " it; put its folder back, or start again under another name"
                )
            search.trials.append(trial)
            run = self._run(trial, Stage.EXPLORE, 0)
            stored = self.record.run(run.key)
            if stored is not None and self._is_settled(stored.result):
                self._note(search, trial, run, stored.result)
            else:
                self._waiting.append((run, trial))
        for stored in self.record.runs(Stage.VERDICT):
            if stored.trial is not None and self._is_settled(stored.result):
                search = self._by_place.get((stored.trial.arm, stored.trial.sub_search))
                if search is not None:
                    self._note(search, stored.trial, stored.run, stored.result)

    def _total_of(self, search: SubSearch) -> int:
        nothing_trains = search.over and not search.values
        return search.total + (0 if nothing_trains else self.study.verdict_seeds)

    def _finished_of(self, search: SubSearch) -> int:
        """Runs over of those that count: the verdict runs of an earlier finalist do not."""
        finalist = search.finalist(self.study.minimize) if search.over else None
        return len(search.told) + (len(self._settled[finalist.number]) if finalist else 0)

    def _note(self, search: SubSearch, trial: Trial, run: Run, result: Result) -> None:
        if result.outcome is not Outcome.COMPLETE:
            self._failures[trial.arm][result.outcome.value] += 1
        if run.stage == Stage.VERDICT:
            self._settled[trial.number].add(run.key)
        elif result.told is not None:
            search.told[trial.index] = result.told
            if result.value is not None:
                search.values[trial.index] = result.value

    def _pop_waiting(self) -> tuple[Run, Trial] | None:
        return self._waiting.pop(0) if self._waiting else None

    def _next_explore(self) -> tuple[Run, Trial] | None:
        open_ = [search for search in self.searches if self._may_ask(search)]
        if not open_:
            return None
        return self._propose(min(open_, key=lambda search: search.asked))

    def _may_ask(self, search: SubSearch) -> bool:
        if search.asked >= search.total:
            return False
        # A sampler that learns must see results before it proposes most of its points.
        free = self.sampler.independent(search.asked, search.total)
        return free or search.running < max(1, search.total // 4)

    def _propose(self, search: SubSearch) -> tuple[Run, Trial]:
        values, config = self._suggest(search)
        trial = Trial(
            number=self._next_number,
            arm=search.arm.name,
            sub_search=search.number,
            index=search.asked,
            values=values,
            config=config,
        )
        self._next_number += 1
        self.record.add_trial(trial)
        search.trials.append(trial)
        return self._run(trial, Stage.EXPLORE, 0), trial

    def _suggest(self, search: SubSearch) -> tuple[dict[str, Scalar], RunConfig]:
        """The next point; one with which no configuration can exist is drawn again."""
        free = self.sampler.independent(search.asked, search.total)
        past = [
            Past(values=trial.values, told=search.told.get(trial.index))
            for trial in (() if free else search.trials)
        ]
        place = (self.study.seed, search.arm.name, search.number, search.asked)
        for attempt in range(DRAWS):
            values = self.sampler.suggest(
                search.arm.space,
                search.asked,
                past,
                ask_seed(*place, attempt),
                self.study.minimize,
                total=search.total,
                search_seed=ask_seed(self.study.seed, search.arm.name, search.number, 0),
            )
            try:
                return values, assign(search.arm.config, values)
            except ConfigError as error:
                refused = error
        raise refused

    def _next_verdict(self) -> tuple[Run, Trial] | None:
        for place in range(self.study.verdict_seeds):
            for search in self.searches:
                trial = search.finalist(self.study.minimize) if search.over else None
                if trial is None:
                    continue
                run = self._run(trial, Stage.VERDICT, place)
                waits = any(run.key == other.key for other, _ in self._waiting)
                taken = run.key in self._flying or run.key in self._settled[trial.number]
                if not (waits or taken):
                    return run, trial
        return None

    def _run(self, trial: Trial, stage: Stage, place: int) -> Run:
        seed = self.study.seed_of(stage, trial.sub_search, place)
        return Run(
            key=self.record.run_key(trial, stage, seed),
            config=trial.config,
            stage=stage,
            seed=seed,
            tokens=self.study.budget.tokens,
        )

    def _last_metrics(self, key: str) -> dict[str, float]:
        """The last reported value of every metric, from what the record holds."""
        last: dict[str, float] = {}
        for row in self.record.curve(key):
            last |= row
        last.pop("step", None)
        return last

    def _is_settled(self, result: Result | None) -> TypeGuard[Result]:
        """Whether a stored run is over for good."""
        return result is not None and result.outcome not in self._again
