"""What a sub-search tries next; a point that cannot exist, or cannot fit, is drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector.config.schema import RunConfig
from selector.config.technique import Value
from selector.errors import ConfigError
from selector.space.space import assign
from selector.study.by_hand import accepted
from selector.study.constraints import known_violation
from selector.study.extension import space_at
from selector.study.memory_limit import MemoryLimit
from selector.study.sampler import SAMPLERS, Ask, Past, ask_seed, make_sampler
from selector.study.searches import Searches
from selector.study.start import read_start
from selector.study.study import Study
from selector.study.sub_search import SubSearch
from selector.study.telling import told
from selector.track.record import Record
from selector.track.run import Outcome

#: Points drawn before a space counts as one in which hardly any configuration can exist.
DRAWS = 200
#: Points of a sampler that learns among them: one that insists is slow, and will go on insisting.
_OF_A_MODEL = 20
#: Sampler where nothing is known: of the new part of an extended range, or in a model's place.
_WITHOUT_MODEL = "qmc"


class Proposals:
    """The study's sampler, and what it may learn from before the first trial."""

    def __init__(self, study: Study, record: Record, searches: Searches) -> None:
        self.study, self.searches = study, searches
        self._start = read_start(record.store)
        self._sampler = make_sampler(study.sampler)
        self._given: dict[tuple[str, int, int], Mapping[str, Value]] = {}
        """Values that a person gave, by arm, sub-search and index of the trial."""
        for item in accepted(record.decisions()):
            if "values" in item:
                self.give(item)
        arms = searches.arms
        self._memory = {name: MemoryLimit(arm, arms.values()) for name, arm in arms.items()}

    def give(self, decision: Mapping[str, Any]) -> None:
        """Take values that a person gave for a trial to come."""
        place = (decision["arm"], decision["sub_search"], decision["index"])
        self._given[place] = decision["values"]

    def next_free(self, search: SubSearch) -> int:
        """The index of the first trial to come for which nobody gave values."""
        index = max(search.asked, self._adopted(search))
        while (search.arm.name, search.number, index) in self._given:
            index += 1
        return index

    def _adopted(self, search: SubSearch) -> int:
        """How many trials of another study the sub-search begins with."""
        taken = self._start.adopted.get(search.arm.name)
        return 0 if taken is None else len(taken.of(search.number))

    def may_ask(self, search: SubSearch, paused: int = 0) -> bool:
        """Whether `search`, of whose trials so many are paused, may have a further one now."""
        if search.asked >= search.total:
            return False
        place = (search.arm.name, search.number, search.asked)
        if place in self._given or search.asked < self._adopted(search):
            return True
        # A sampler that learns must see results before it proposes most of its points.
        known = len(self._start.known.get(search.arm.name, ()))
        free = self._sampler.independent(search.asked, search.total, known)
        return free or search.running - paused < max(1, search.total // 4)

    def suggest(self, search: SubSearch) -> tuple[Mapping[str, Value], RunConfig, bool]:
        """The next trial's values, and whether a person gave them."""
        given = self._given.get((search.arm.name, search.number, search.asked))
        if given is not None:
            return given, assign(search.arm.config, given), True
        return (*self._draw(search), False)

    def _draw(self, search: SubSearch) -> tuple[Mapping[str, Value], RunConfig]:
        """The next point; one with which no configuration can exist is drawn again.

        So is one that needs more memory than there seems to be. Where all do, the one that needs
        the least is tried.

        Raises:
            ConfigError: hardly any point of the space gives a configuration.
        """
        study, arm, index = self.study, search.arm, search.asked
        taken = self._start.adopted.get(arm.name)
        first_ones = taken.of(search.number) if taken is not None else ()
        if index < len(first_ones) and (chosen := first_ones[index]) is not None:
            return dict(chosen), assign(arm.config, chosen)
        extensions = self.searches.arms[arm.name].extensions
        space, extension = space_at(arm, extensions, search.number, index)
        sampler, past, first, total = self._sampler, search.past, 0, search.total
        if extension is not None:
            sampler, past = SAMPLERS[_WITHOUT_MODEL](study.sampler), []
            first, total = extension.first, extension.trials
        elif taken is not None and (found := taken.part_at(search.number, index)):
            part, first = found
            space, total = part.within(space), part.trials
            sampler, past = SAMPLERS[_WITHOUT_MODEL](study.sampler), []
        elif sampler.learns and (known := self._start.known.get(arm.name)):
            past = [*known, *past]
        place = (study.seed, arm.name, search.number)
        refused, smallest = None, None
        for attempt in range(DRAWS):
            if sampler.learns and attempt == _OF_A_MODEL:
                sampler = SAMPLERS[_WITHOUT_MODEL](study.sampler)
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
                excess = self._excess(search, values, config)
                if max(beyond, excess) <= 0:
                    return values, config
                if beyond > 0:
                    refused = ConfigError(f"{arm.name}: {text}")
                elif smallest is None or excess < smallest[0]:
                    smallest = excess, values, config
            except ConfigError as error:
                refused = error
            # A model would propose the same again; the sub-search's own trials stay the last.
            if not sampler.independent(index, total, len(past) - index):
                lesson = told(
                    Outcome.DIVERGED, None, [*search.values.values()], minimize=study.minimize
                )
                past = [Past(values=values, told=lesson), *past]
        if smallest is not None:
            return smallest[1:]
        assert refused is not None
        raise refused

    def _excess(self, search: SubSearch, values: Mapping[str, Value], config: RunConfig) -> float:
        """How far a point lies beyond the memory; at most 0 where it may be drawn."""
        if self.study.sampler.name == "grid":  # its points were named one by one
            return 0.0
        return self._memory[search.arm.name].excess(values, config)
