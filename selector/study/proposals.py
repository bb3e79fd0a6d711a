"""What a sub-search tries next; a point that cannot exist is drawn again."""

from __future__ import annotations

from selector.config.schema import RunConfig
from selector.config.technique import Scalar
from selector.errors import ConfigError
from selector.space.space import assign
from selector.study.constraints import known_violation
from selector.study.extension import space_at
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
#: Sampler of the trials in the new part of an extended range: nothing is known of it.
_NEW_PART = "qmc"


class Proposals:
    """The study's sampler, and what it may learn from before the first trial."""

    def __init__(self, study: Study, record: Record, searches: Searches) -> None:
        self.study, self.searches = study, searches
        self._start = read_start(record.store)
        self._sampler = make_sampler(study.sampler)

    def may_ask(self, search: SubSearch) -> bool:
        """Whether `search` may have a further trial now."""
        if search.asked >= search.total:
            return False
        taken = self._start.adopted.get(search.arm.name)
        if taken is not None and search.asked < len(taken.of(search.number)):
            return True
        # A sampler that learns must see results before it proposes most of its points.
        known = len(self._start.known.get(search.arm.name, ()))
        free = self._sampler.independent(search.asked, search.total, known)
        return free or search.running < max(1, search.total // 4)

    def suggest(self, search: SubSearch) -> tuple[dict[str, Scalar], RunConfig]:
        """The next point; one with which no configuration can exist is drawn again.

        Raises:
            ConfigError: hardly any point of the space gives a configuration.
        """
        study, arm, index = self.study, search.arm, search.asked
        taken = self._start.adopted.get(arm.name)
        if taken is not None and index < len(taken.of(search.number)):
            chosen = dict(taken.of(search.number)[index])
            return chosen, assign(arm.config, chosen)
        extensions = self.searches.arms[arm.name].extensions
        space, extension = space_at(arm, extensions, search.number, index)
        sampler, past, first, total = self._sampler, search.past, 0, search.total
        if extension is not None:
            sampler, past = SAMPLERS[_NEW_PART](study.sampler), []
            first, total = extension.first, extension.trials
        elif taken is not None and (found := taken.part_at(search.number, index)):
            part, first = found
            space, total = part.within(space), part.trials
            sampler, past = SAMPLERS[_NEW_PART](study.sampler), []
        elif sampler.learns and (known := self._start.known.get(arm.name)):
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
