"""The sampler's seam: which point a sub-search tries next.

A suggestion is a function of (seeds, index, what was told so far). A sampler keeps no state between
asks, so a study that was stopped goes on exactly as it would have.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selector.config.technique import Scalar, Value
from selector.space.space import Space
from selector.track.run import Told


@dataclass(frozen=True, kw_only=True)
class Past:
    """A trial asked earlier in the same sub-search; `told` is None while it runs."""

    values: Mapping[str, Value]
    told: Told | None


@dataclass(frozen=True, kw_only=True)
class Ask:
    """All that one suggestion depends on."""

    space: Space
    """What is tuned."""
    index: int
    """Of the trial in its sub-search, from 0."""
    past: Sequence[Past]
    """The earlier trials of the sub-search in the order asked, where the suggestion depends on
    them, after observations from elsewhere."""
    seed: int
    """Of this suggestion."""
    minimize: bool
    """Whether smaller told values are better."""
    total: int
    """Trials that the whole sub-search is planned to have."""
    search_seed: int
    """Of the whole sub-search, the same at every index."""


class Sampler(ABC):
    """Proposes the values of one sub-search's trials."""

    #: Whether some suggestions depend on results: then only some trials run at the same time.
    learns = False

    def independent(self, index: int, total: int, known: int = 0) -> bool:
        """Whether the suggestion for `index` of `total` trials is the same whatever was told.

        Then `past` is not read (and may be empty), and the trial may start at any time. `known` is
        the number of observations from elsewhere.
        """
        return not self.learns

    @abstractmethod
    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """Values for the trial that is asked for; keys whose condition is false get none."""


def usable(space: Space, index: int, past: Sequence[Past]) -> list[Past]:
    """What can be learnt from: the sub-search's own trials, and others that lie in its space."""
    own = len(past) - index
    known = [
        Past(
            values={key: item.values[key] for key in space.dimensions if key in item.values},
            told=item.told,
        )
        for item in past[:own]
    ]
    return [*(item for item in known if space.holds(item.values)), *past[own:]]


def ask_seed(study_seed: int, arm: str, sub_search: int, index: int, attempt: int = 0) -> int:
    """The seed of one suggestion: 32 bits of a hash of where in the study it is asked."""
    text = f"{study_seed}/{arm}/{sub_search}/{index}/{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
