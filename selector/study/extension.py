"""Wider ranges where an arm's best settings lie at an edge: the best may lie outside.

A technique must not lose because its range was cut off. So before its finalists are judged, an arm
whose best settings mostly lie at one end of a range gets that range extended, and more trials in
the new part only: as many for its length as the old part had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study.study import Arm, Study

DECISION = "extend"
#: Share of the sub-searches whose best lie at an edge that extends it. Half of them would often
#: leave a range as it is that ends just before the optimum: simulated in docs/method.md.
_EXTENDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One range of an arm made wider."""

    arm: str
    key: str
    side: str
    """low or high."""
    low: float
    high: float
    """Ends of the wider range."""
    first: int
    """Index of the first trial in the new part, in each sub-search that was there."""
    trials: int
    """Trials of each of them in the new part."""
    sub_searches: int
    """How many sub-searches were there; later ones search the wider range from the start."""


def extensions_of(decisions: Sequence[Mapping[str, Any]], arm: str) -> list[Extension]:
    """The extensions of an arm, in order, from what was decided."""
    keys = Extension.__dataclass_fields__
    return [
        Extension(**{key: item[key] for key in keys})
        for item in decisions
        if item["decision"] == DECISION and item["arm"] == arm
    ]


def widen(space: Space, extension: Extension) -> Space:
    """`space` with the extended range."""
    item = space.dimensions[extension.key]
    assert isinstance(item, Interval)
    wider = replace(item, low=extension.low, high=extension.high)
    return replace(space, dimensions={**space.dimensions, extension.key: wider})


def new_part(space: Space, extension: Extension) -> Space:
    """`space`, before the extension, with only what it adds in place of the extended range."""
    item = space.dimensions[extension.key]
    assert isinstance(item, Interval)
    added = item.beyond(extension.side, extension.key)
    assert added is not None
    return replace(space, dimensions={**space.dimensions, extension.key: added})


def space_at(
    arm: Arm, extensions: Sequence[Extension], sub_search: int, index: int
) -> tuple[Space, Extension | None]:
    """Where the trial `index` of a sub-search is drawn, and the extension that it explores."""
    space = arm.space
    for item in extensions:
        if sub_search < item.sub_searches:
            if index < item.first:
                break
            if index < item.first + item.trials:
                return new_part(space, item), item
        space = widen(space, item)
    return space, None


def next_extension(
    study: Study,
    arm: Arm,
    space: Space,
    done: Sequence[Extension],
    edges: Sequence[Mapping[str, str]],
    first: int,
) -> Extension | None:
    """The extension that an arm's best settings ask for; None where they ask for none.

    Args:
        space: The arm's space as extended so far.
        done: Its extensions so far.
        edges: For each sub-search's best trial: dotted key -> the end at which it lies.
        first: Trials that each sub-search has made.
    """
    if len(done) >= study.budget.extensions or study.sampler.name == "grid":
        return None  # a grid's points were named one by one
    for key, side in shared_edges(edges, _EXTENDS):
        item = space.dimensions[key]
        wider = item.widened(side, key) if isinstance(item, Interval) else None
        if wider is not None:
            return Extension(
                arm=arm.name,
                key=key,
                side=side,
                low=wider.low,
                high=wider.high,
                first=first,
                trials=new_trials(study.trials_in(arm)),
                sub_searches=len(edges),
            )
    return None


def new_trials(trials: int) -> int:
    """Trials in the new part of a range, for `trials` in the old one, twice as long."""
    return max(2, trials // 2)


def shared_edges(
    edges: Sequence[Mapping[str, str]], share: float = 0.5
) -> dict[tuple[str, str], int]:
    """Edges at which `share` of the sub-searches' best lie at least: (key, side) -> how many."""
    sides = Counter(place for item in edges for place in item.items())
    return {place: count for place, count in sides.items() if count >= share * len(edges)}
