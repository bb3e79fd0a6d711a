"""What to run next: bookkeeping over the searches, and the decisions on the way to the verdict.

    explore → promote → extend → screen → verdict → look → (further sub-searches) …

Sub-searches advance side by side: the one with the fewest trials asks next, so that arms stay
equally tuned whenever a study is stopped. What is decided is stored when it is decided, and rests
on finished runs alone, so a study that was stopped goes on exactly as it would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from selector.config.identity import plain
from selector.config.schema import RunConfig
from selector.config.technique import Scalar
from selector.errors import ConfigError
from selector.space.space import assign
from selector.study.answer import answer
from selector.study.constraints import known_violation, missing
from selector.study.extension import DECISION, next_extension, space_at
from selector.study.history import read_start
from selector.study.sampler import SAMPLERS, Ask, Past, ask_seed, make_sampler, sampler_facts
from selector.study.searches import LOOK, ArmSearch, Searches
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.telling import told
from selector.study.verdict import VerdictState, look_level
from selector.track.record import Record
from selector.track.run import Ended, Outcome, Result, Run, Stage, Trial
from selector.track.trunk import forget_trunk

#: A run whose worker died is tried again this often before it counts as lost.
ATTEMPTS = 3
#: Points drawn before a space counts as one in which hardly any configuration can exist.
DRAWS = 200
#: Outcomes that a later `selector run` tries again: code was mended, the machine is back.
TRIED_AGAIN = (Outcome.CRASHED, Outcome.LOST)
#: Sampler of the trials in the new part of an extended range: nothing is known of it.
_NEW_PART = "qmc"
FINALIST = "finalist"
LIMIT = "limit"
SAMPLER = "sampler"


class Agenda:
    """The runs of a study that are still to be made, given what the record holds."""

    def __init__(self, study: Study, record: Record) -> None:
        self.study, self.record = study, record
        start = read_start(record.store)
        self._start = start[1] if start else {}
        """Arm -> observations from elsewhere with which a sampler that learns starts."""
        self.searches = Searches(study, record, again=TRIED_AGAIN)
        self._sampler = make_sampler(study.sampler)
        self._next_number = max(record.trials, default=0) + 1
        self._waiting = self.searches.unfinished
        self._flying: dict[str, tuple[Run, Trial]] = {}
        self._attempts: Counter[str] = Counter()
        self._judged: dict[str, tuple[int, int]] = {}
        """The state of each arm's search in which its edges were last judged."""
        self._finalists = {
            (item["arm"], item["sub_search"]): item["trial"]
            for item in record.decisions()
            if item["decision"] == FINALIST
        }
        self._note_sampler()
        self._decide()

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

    def finish(self, key: str, ended: Ended) -> Result | None:
        """Store how a run ended; None where it was lost and waits for another attempt."""
        run, trial = self._flying.pop(key)
        if ended.outcome is Outcome.LOST and self._attempts[key] < ATTEMPTS:
            self._waiting.append((run, trial))
            return None
        result = self._result(run, trial, ended)
        self.record.finish(key, result)
        self.searches.note(trial, run, result)
        self._decide()
        self._note_finalist(trial)
        self._forget_trunks(self.searches.search_of(trial))
        return result

    def stop(self, limit: str) -> None:
        """Store that the study ends unfinished, and at which limit."""
        self._store(LIMIT, {"limit": limit, "finished": self.searches.finished})

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
            facts={**ended.facts, "ended": _now()},
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
        may = [search for search in searches if self._may_ask(search)]
        if may:
            return self._new_trial(min(may, key=lambda search: search.asked))
        promoted = (trial for search in searches for trial in search.promotions())
        return next(self._free(promoted, Stage.EXPLORE), None)

    def _may_ask(self, search: SubSearch) -> bool:
        if search.asked >= search.total:
            return False
        # A sampler that learns must see results before it proposes most of its points.
        known = len(self._start.get(search.arm.name, ()))
        free = self._sampler.independent(search.asked, search.total, known)
        return free or search.running < max(1, search.total // 4)

    def _new_trial(self, search: SubSearch) -> tuple[Run, Trial]:
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
        search.add(trial)
        return self.searches.run(trial, search.first_stage), trial

    def _suggest(self, search: SubSearch) -> tuple[dict[str, Scalar], RunConfig]:
        """The next point; one with which no configuration can exist is drawn again."""
        study, arm, index = self.study, search.arm, search.asked
        extensions = self.searches.arms[arm.name].extensions
        space, extension = space_at(arm, extensions, search.number, index)
        sampler, past, first, total = self._sampler, search.past, 0, search.total
        if extension is not None:
            sampler, past = SAMPLERS[_NEW_PART](study.sampler), []
            first, total = extension.first, extension.trials
        elif sampler.learns and (known := self._start.get(arm.name)):
            past = [*known, *past]
        place = (study.seed, arm.name, search.number)
        refused = None
        for attempt in range(DRAWS):
            values = sampler.suggest(
                Ask(
                    space=space,
                    index=index - first,
                    past=past,
                    seed=ask_seed(*place, index, attempt),
                    minimize=study.minimize,
                    total=total,
                    search_seed=ask_seed(*place, first, attempt),
                )
            )
            try:
                config = assign(arm.config, values)
                tokens = study.tokens_of(arm, config)
                beyond, text = known_violation(study.constraints, config, tokens)
                if beyond <= 0:
                    return values, config
                refused = ConfigError(f"{arm.name}: {text}")
            except ConfigError as error:
                refused = error
            # A model would propose the same again; the sub-search's own trials stay the last.
            if not sampler.independent(index, total, len(past) - index):
                lesson = told(
                    Outcome.DIVERGED, None, [*search.values.values()], minimize=study.minimize
                )
                past = [Past(values=values, told=lesson), *past]
        assert refused is not None
        raise refused

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

    # What is decided

    def _decide(self) -> None:
        """Take every decision that is due."""
        for arm in self.searches.arms.values():
            state = (len(arm.sub_searches), arm.trials)
            if arm.searched and self._judged.get(arm.name) != state:
                self._judged[arm.name] = state
                self._extend(arm)
        if not self.searches.settled and all(s.finished >= s.runs for s in self.searches):
            self._look()

    def _extend(self, arm: ArmSearch) -> None:
        """Let the search of an arm go on in a wider range where its best lies at an edge."""
        found = next_extension(
            self.study,
            arm.arm,
            arm.space,
            arm.extensions,
            arm.edges(screened=False),
            arm.sub_searches[0].asked,
        )
        if found is not None:
            self._store(DECISION, vars(found))
            arm.extensions.append(found)
            arm.grow(self.searches.units)

    def _note_sampler(self) -> None:
        """Store what the search can be repeated with, where it is not what it was before."""
        facts = sampler_facts(self.study.sampler)
        known = [item for item in self.record.decisions() if item["decision"] == SAMPLER]
        if not known or {key: known[-1].get(key) for key in facts} != plain(facts):
            self._store(SAMPLER, facts)

    def _note_finalist(self, trial: Trial) -> None:
        """Store which trial goes to the verdict, where that has just become known."""
        search = self.searches.search_of(trial)
        finalist = search.finalist() if search is not None else None
        if search is None or finalist is None:
            return
        place = (search.arm.name, search.number)
        if self._finalists.get(place) != finalist.number:
            self._finalists[place] = finalist.number
            where = {"arm": search.arm.name, "sub_search": search.number}
            value = search.values[finalist.index]
            what = {"trial": finalist.number, "value": value, "trials": len(search.told)}
            self._store(FINALIST, {**where, **what})

    def _forget_trunks(self, search: SubSearch | None) -> None:
        """Remove the trunks that no run will start from any more."""
        if search is None or not (search.tried and self.searches.arms[search.arm.name].branches):
            return
        needed = set(search.promoted()) - search.explored
        for trial in search.trials:
            folder = self.searches.rung_folder(trial)
            if trial.index not in needed and folder is not None:
                forget_trunk(folder)

    def _look(self) -> None:
        """Look at the evidence: whether it answers the question, or more sub-searches are due."""
        searches, study = self.searches, self.study
        units, last = searches.units, study.looks[-1]
        found = answer(study, self.record, searches).verdict
        state = found.state if found else None
        clear = state in (VerdictState.WINNER, VerdictState.TIE) and study.budget.stop_when_clear
        goes_on = units if clear or units >= last or len(study.arms) == 1 else last
        what = {
            **searches.look_at(),
            "goes_on": goes_on,
            "level": look_level(units, study.looks),
            "state": state.value if state else None,
        }
        self._store(LOOK, what)
        searches.looked(what)

    def _store(self, decision: str, what: Mapping[str, Any]) -> None:
        self.record.decide({"decision": decision, "at": _now(), **what})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
