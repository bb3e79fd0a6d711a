"""What to run next: bookkeeping over the searches, and the decisions on the way to the verdict.

    explore → promote → extend → screen → verdict → look → (further sub-searches) …

Sub-searches advance side by side: the one with the fewest trials asks next, so that arms stay
equally tuned whenever a study is stopped. What is decided is stored when it is decided, and rests
on finished runs alone, so a study that was stopped goes on exactly as it would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from selector.study.constraints import missing
from selector.study.decisions import LIMIT, Decisions, now
from selector.study.proposals import Proposals
from selector.study.searches import Searches
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.telling import told
from selector.track.record import Record
from selector.track.run import Ended, Outcome, Result, Run, Stage, Trial
from selector.track.trunk import forget_trunk

#: A run whose worker died is tried again this often before it counts as lost.
ATTEMPTS = 3
#: Outcomes that a later `selector run` tries again: code was mended, the machine is back.
TRIED_AGAIN = (Outcome.CRASHED, Outcome.LOST)


class Agenda:
    """The runs of a study that are still to be made, given what the record holds."""

    def __init__(self, study: Study, record: Record) -> None:
        self.study, self.record = study, record
        self.searches = Searches(study, record, again=TRIED_AGAIN)
        self._proposals = Proposals(study, record, self.searches)
        self._next_number = max(record.trials, default=0) + 1
        self._waiting = self.searches.unfinished
        self._flying: dict[str, tuple[Run, Trial]] = {}
        self._attempts: Counter[str] = Counter()
        self._decisions = Decisions(study, record, self.searches)
        self._decisions.decide()

    def next(self) -> tuple[Run, Trial] | None:
        """The next run to submit, stored as asked; None while all that is left must wait."""
        found = self._waiting.pop(0) if self._waiting else self._propose() or self._confirm()
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

    def knows(self, key: str) -> bool:
        """Whether the run is in flight."""
        return key in self._flying

    def forget(self, key: str) -> None:
        """Have the run no longer in flight, without an end: the next command makes it again."""
        self._flying.pop(key, None)

    def finish(self, key: str, ended: Ended) -> Result | None:
        """Store how a run ended; None where it was lost and waits for another attempt."""
        run, trial = self._flying.pop(key)
        if ended.outcome is Outcome.LOST and self._attempts[key] < ATTEMPTS:
            self._waiting.append((run, trial))
            return None
        result = self._result(run, trial, ended)
        self.record.finish(key, result)
        self.searches.note(trial, run, result)
        self._decisions.decide(trial)
        self._forget_trunks(self.searches.search_of(trial))
        return result

    def stop(self, limit: str) -> None:
        """Store that the study ends unfinished, and at which limit."""
        self._decisions.store(LIMIT, {"limit": limit, "finished": self.searches.finished})

    def _result(self, run: Run, trial: Trial, ended: Ended) -> Result:
        metrics: dict[str, float] = {}
        for row in self.record.curve(run.key):
            metrics |= row
        metrics.pop("step", None)
        result = Result(
            outcome=ended.outcome,
            value=metrics.get(self.study.metric) if ended.outcome is Outcome.COMPLETE else None,
            metrics=metrics,
            steps=ended.steps,
            seconds=ended.seconds,
            error=ended.error,
            facts={**ended.facts, "ended": now()},
        )
        if text := self._lacks(run, result):
            result = replace(result, outcome=Outcome.CRASHED, value=None, error=text)
        search = self.searches.search_of(trial)
        if search is None or run.stage not in (Stage.EXPLORE, Stage.RUNG1):
            return result
        known = list((search.short if run.stage == Stage.RUNG1 else search.values).values())
        over = self.searches.violation(run, result)
        minimize = self.study.minimize
        what = told(result.outcome, result.value, known, over, minimize=minimize)
        return replace(result, told=what)

    def _lacks(self, run: Run, result: Result) -> str:
        """What a run that completed did not report, so that it did not do its job: it crashed."""
        if result.outcome is not Outcome.COMPLETE:
            return ""
        if result.value is None:
            seen = ", ".join(sorted(result.metrics)) or "nothing"
            return f"metric: {self.study.metric!r} was never reported; reported: {seen}"
        return missing(self.study.constraints, result, run)

    # What to run

    def _propose(self) -> tuple[Run, Trial] | None:
        """A new trial's first run, or that of a promoted one."""
        searches = self.searches
        may = [search for search in searches if self._proposals.may_ask(search)]
        if may:
            return self._new_trial(min(may, key=lambda search: search.asked))
        promoted = (trial for search in searches for trial in search.promotions())
        return next(self._free(promoted, Stage.EXPLORE), None)

    def _new_trial(self, search: SubSearch) -> tuple[Run, Trial]:
        values, config = self._proposals.suggest(search)
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
        search.add(trial)
        return self.searches.run(trial, search.first_stage), trial

    def _confirm(self) -> tuple[Run, Trial] | None:
        """The next screening or verdict run, once the search of its arm is over."""
        ready = [
            search
            for arm in self.searches.arms.values()
            if arm.searched
            for search in arm.sub_searches
        ]
        screens = (trial for search in ready for trial in search.to_screen())
        if found := next(self._free(screens, Stage.SCREEN), None):
            return found
        finalists = [trial for search in ready if (trial := search.finalist())]
        for place in range(self.study.verdict_seeds):
            if found := next(self._free(iter(finalists), Stage.VERDICT, place), None):
                return found
        return None

    def _free(
        self, trials: Iterator[Trial], stage: Stage, place: int = 0
    ) -> Iterator[tuple[Run, Trial]]:
        """The runs of `trials` at a stage that are neither over, in flight nor waiting."""
        for trial in trials:
            run = self.searches.run(trial, stage, place)
            search = self.searches.search_of(trial)
            over = search is not None and run.key in search.confirmed(trial)
            waits = any(run.key == other.key for other, _ in self._waiting)
            if not (over or waits or run.key in self._flying):
                yield run, trial

    def _forget_trunks(self, search: SubSearch | None) -> None:
        """Remove the trunks that no run will start from any more."""
        if search is None or not (search.tried and self.searches.arms[search.arm.name].branches):
            return
        needed = set(search.promoted()) - search.explored
        for trial in search.trials:
            folder = self.searches.rung_folder(trial)
            if trial.index not in needed and folder is not None:
                forget_trunk(folder)
