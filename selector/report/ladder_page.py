"""The page's part about size and length: tables as rows of ready text, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selector.report.digits import decimals_for, number, operations, size
from selector.report.figures import Figure
from selector.report.ladder_figures import by_compute, by_size, line_figure

Numbers = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RungLine:
    """One rung."""

    arm: str
    size: str
    parameters: str
    tokens: str
    flops: str
    loss: str
    ends: str


@dataclass(frozen=True, kw_only=True)
class PairLine:
    """What carries over from one rung to another."""

    small: str
    large: str
    rank: str
    rank_ends: str
    regret: str
    regret_ends: str


def rung_table(scaling: Numbers | None) -> list[RungLine]:
    """The rungs of every ladder, in order of size and length."""
    rungs = [rung for ladder in (scaling or {"ladders": ()})["ladders"] for rung in ladder["rungs"]]
    known = [
        (rung["loss"], rung["low"], rung["high"]) for rung in rungs if rung["loss"] is not None
    ]
    places = decimals_for(known) if known else 0
    return [
        RungLine(
            arm=rung["arm"],
            size=size(rung["size"]),
            parameters=size(rung["parameters"]),
            tokens=size(rung["tokens"]),
            flops=operations(rung["flops"]),
            loss="" if rung["loss"] is None else number(rung["loss"], places),
            ends=_ends(rung, places),
        )
        for rung in rungs
    ]


def pair_table(transfer: Numbers | None) -> list[PairLine]:
    """The pairs of every ladder."""
    found = []
    for ladder in (transfer or {"ladders": ()})["ladders"]:
        for pair in ladder["pairs"]:
            regret = pair["regret"]
            places = decimals_for([(regret["value"], regret["low"], regret["high"])])
            found.append(
                PairLine(
                    small=pair["small"],
                    large=pair["large"],
                    rank=number(pair["rank"]["value"], 2),
                    rank_ends=_ends(pair["rank"], 2),
                    regret=number(regret["value"], places),
                    regret_ends=_ends(regret, places),
                )
            )
    return found


def drawings(metric: str, scaling: Numbers | None) -> list[tuple[str, str, Figure]]:
    """For each ladder, loss against compute and against size: (id, title, figure)."""
    found = []
    for place, ladder in enumerate((scaling or {"ladders": ()})["ladders"]):
        lead = f"{ladder['name']}: " if ladder["name"] else ""
        for kind, words, axis, lines in (
            ("compute", "for each size", "FLOPs of a run", by_size(ladder)),
            ("size", "for each compute budget", "weights", by_compute(ladder)),
        ):
            if lines:
                drawn = line_figure(lines, axis, metric)
                found.append((f"figure-{kind}-{place}", f"{lead}{metric} {words}", drawn))
    return found


def _ends(item: Numbers, places: int) -> str:
    if item["low"] is None:
        return ""
    return f"{number(item['low'], places)} to {number(item['high'], places)}"
