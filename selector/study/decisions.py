"""What is decided on the way to the verdict, stored when it is decided, with its evidence.

A decision rests on finished runs alone, so a study that was stopped decides what it would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from selector.config.identity import plain
from selector.study.answer import answer
from selector.study.extension import DECISION, next_extension
from selector.study.sampler import sampler_facts
from selector.study.searches import LOOK, ArmSearch, Searches
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.verdict import VerdictState, look_level
from selector.track.record import Record
from selector.track.run import Trial

FINALIST = "finalist"
LIMIT = "limit"
END = "end"
SAMPLER = "sampler"


class Decisions:
    """Extends ranges, names finalists, looks at the evidence."""

    def __init__(self, study: Study, record: Record, searches: Searches) -> None:
        self.study, self.record, self.searches = study, record, searches
        self._judged: dict[str, tuple[int, int]] = {}
        """The state of each arm's search in which its edges were last judged."""
        self._finalists = {
            (item["arm"], item["sub_search"]): item["trial"]
            for item in record.decisions()
            if item["decision"] == FINALIST
        }
        self._note_sampler()

    def decide(self, trial: Trial | None = None) -> None:
        """Take every decision that is due after a run of `trial`, or at the start of a command.

        One that ended between a result and what follows from it has left something to decide.
        """
        for arm in self.searches.arms.values():
            state = (len(arm.sub_searches), arm.trials)
            if arm.searched and self._judged.get(arm.name) != state:
                self._extend(arm)
                self._judged[arm.name] = state
        for search in self.searches if trial is None else [self.searches.search_of(trial)]:
            self._note_finalist(search)
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
            self.store(DECISION, vars(found))
            arm.extensions.append(found)
            arm.grow(self.searches.units)

    def _note_sampler(self) -> None:
        """Store what the search can be repeated with, where it is not what it was before."""
        facts = sampler_facts(self.study.sampler)
        known = [item for item in self.record.decisions() if item["decision"] == SAMPLER]
        if not known or {key: known[-1].get(key) for key in facts} != plain(facts):
            self.store(SAMPLER, facts)

    def _note_finalist(self, search: SubSearch | None) -> None:
        """Store which trial goes to the verdict, where that has just become known."""
        finalist = search.finalist() if search is not None else None
        if search is None or finalist is None:
            return
        place = (search.arm.name, search.number)
        if self._finalists.get(place) != finalist.number:
            self._finalists[place] = finalist.number
            where = {"arm": search.arm.name, "sub_search": search.number}
            value = search.values[finalist.index]
            what = {"trial": finalist.number, "value": value, "trials": len(search.told)}
            self.store(FINALIST, {**where, **what})

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
        self.store(LOOK, what)
        searches.looked(what)

    def store(self, decision: str, what: Mapping[str, Any]) -> None:
        """Store a decision."""
        self.record.decide({"decision": decision, "at": now(), **what})


def now() -> str:
    """The time as it is stored."""
    return datetime.now(UTC).isoformat(timespec="seconds")
