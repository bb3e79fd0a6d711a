"""What to run next: bookkeeping over the searches, and the decisions on the way to the verdict.

    explore → promote → extend → screen → verdict → look → (further sub-searches) …

Sub-searches advance side by side: the one with the fewest trials asks next, so that arms stay
equally tuned whenever a study is stopped. What is decided is stored when it is decided, and rests
on finished runs alone, so a study that was stopped goes on exactly as it would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from selector.study.by_hand import Halts, accepted
from selector.study.constraints import missing
from selector.study.decisions import END, LIMIT, Decisions, now
from selector.study.proposals import Proposals
from selector.study.searches import Searches
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.telling import told
from selector.track.checkpoints import forget_checkpoints
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
        self.proposals = Proposals(study, record, self.searches)
        self._next_number = max(record.trials, default=0) + 1
        self._waiting = self.searches.unfinished
        self._flying: dict[str, tuple[Run, Trial]] = {}
        self._attempts: Counter[str] = Counter()
        self.halts = Halts()
        self.closing = False
        """Whether runs are cut off, so that one which ends early is not over."""
        self._paused: dict[str, tuple[Run, Trial]] = {}
        self._cut: set[str] = set()
        """Runs in flight that were asked to end because they are paused."""
        for item in accepted(record.decisions()):
            if "runs" in item:
                self.halts.take(item)
        self._decisions = Decisions(study, record, self.searches)
        self._decisions.decide()
        for stored in record.runs():  # a controller that died may not have come to it
            if stored.result is not None:
                _forget(stored.run, stored.result)

    def next(self) -> tuple[Run, Trial] | None:
        """The next run to submit, stored as asked; None while all that is left must wait."""
        while found := self._found():
            run, trial = found
            if self.halts.paused(run.key):
                self._paused[run.key] = found
                continue
            run = self.record.ask(run, trial)
            self._flying[run.key] = (run, trial)
            if self.halts.stopped(run.key):  # before it was sent anywhere
                self.finish(run.key, Ended(outcome=Outcome.STOPPED))
                continue
            self._attempts[run.key] += 1
            return run, trial
        return None

    def _found(self) -> tuple[Run, Trial] | None:
        return self._waiting.pop(0) if self._waiting else self._propose() or self._confirm()

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
        """Store how a run ended; None where it was lost, or paused, and is to go on."""
        run, trial = self._flying.pop(key)
        cut = ended.outcome in (Outcome.STOPPED, Outcome.LOST)
        if self.halts.stopped(key) and (cut or ended.outcome is Outcome.COMPLETE):
            ended = replace(ended, outcome=Outcome.STOPPED)  # too late or not: it never wins
        elif cut and (self.closing or key in self._cut):  # it was cut off, and is not over
            self._cut.discard(key)
            self._waiting.append((run, trial))
            return None
        if ended.outcome is Outcome.LOST and self._attempts[key] < ATTEMPTS:
            self._waiting.append((run, trial))
            return None
        result = self._result(run, trial, ended)
        self.record.finish(key, result)
        _forget(run, result)
        self.searches.note(trial, run, result)
        self._decisions.decide(trial)
        self._forget_trunks(self.searches.search_of(trial))
        return result

    def flying(self) -> list[str]:
        """Keys of the runs that were submitted and are not over."""
        return list(self._flying)

    @property
    def paused(self) -> list[int]:
        """Trials of which a run is paused."""
        return sorted({trial.number for _, trial in self._paused.values()})

    def paused_of(self, number: int) -> list[str]:
        """The paused runs of a trial, those included that still end."""
        return [key for key in self.open_runs(number) if self.halts.paused(key)]

    def open_runs(self, number: int) -> list[str]:
        """The runs of a trial that are asked for and not over, by key."""
        rows = [*self._flying.values(), *self._waiting, *self._paused.values()]
        return [run.key for run, trial in rows if trial.number == number] or [
            item.run.key
            for item in self.record.runs()
            if item.trial and item.trial.number == number and item.result is None
        ]

    def settle_halted(self) -> list[str]:
        """Put paused runs that may go on back, and stop the others; returns those to be cut off."""
        for key, found in list(self._paused.items()):
            if not self.halts.paused(key):
                del self._paused[key]
                self._waiting.append(found)
        for found in [item for item in self._waiting if self.halts.stopped(item[0].key)]:
            self._waiting.remove(found)
            run = self.record.ask(*found)
            self._flying[run.key] = (run, found[1])
            self.finish(run.key, Ended(outcome=Outcome.STOPPED))
        halted = [key for key in self._flying if key in self.halts.pauses]
        self._cut.update(key for key in halted if self.halts.paused(key))
        return halted

    def decide(self, decision: str, what: Mapping[str, Any]) -> None:
        """Store a decision."""
        self._decisions.store(decision, what)

    def stop(self, reason: str, text: str) -> None:
        """Store that the study ends unfinished, and why: at a limit, or for failures."""
        counts = {
            "finished": self.searches.finished,
            "over": sum(item.result is not None for item in self.record.runs()),
        }
        if reason == LIMIT:
            self._decisions.store(LIMIT, {"limit": text, **counts})
        else:
            self._decisions.store(END, {"reason": reason, "text": text, **counts})

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
        paused = Counter((t.arm, t.sub_search) for _, t in self._paused.values())
        may = [
            search
            for search in searches
            if self.proposals.may_ask(search, paused[search.arm.name, search.number])
        ]
        if may:
            return self._new_trial(min(may, key=lambda search: search.asked))
        promoted = (trial for search in searches for trial in search.promotions())
        return next(self._free(promoted, Stage.EXPLORE), None)

    def _new_trial(self, search: SubSearch) -> tuple[Run, Trial]:
        values, config, given = self.proposals.suggest(search)
        trial = Trial(
            number=self._next_number,
            arm=search.arm.name,
            sub_search=search.number,
            index=search.asked,
            values=values,
            config=config,
            given=given,
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
            if not (over or waits or run.key in self._flying or run.key in self._paused):
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


def _forget(run: Run, result: Result) -> None:
    """Remove the states that a run left on its way; one that was lost is made again from them."""
    if run.folder is not None and result.outcome is not Outcome.LOST:
        with suppress(OSError):  # the result is what counts; the next start tries again
            forget_checkpoints(run.folder)
