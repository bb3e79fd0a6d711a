"""A ladder drawn: loss against compute for each size, and against size for each compute budget.

Each figure is made in two steps: from a ladder of `scaling` to plain numbers, from those to
Plotly's plain dictionaries.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from selector.report.digits import operations, size
from selector.report.figures import Figure, colour, log_layout
from selector.report.ladder import equal_flops

Numbers = Mapping[str, Any]
_POINTS = 41  # of a curve of the law
#: Compute budgets whose curves of the law are drawn: parts of the ladder's largest.
_PARTS = (1 / 64, 1 / 16, 1 / 4, 1)


@dataclass(frozen=True, kw_only=True)
class Line:
    """Measured points that belong together, and the law through them where there is one."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    """Lower ends of the 95 % intervals; the values themselves where noise is not known."""
    high: tuple[float, ...]
    law_x: tuple[float, ...] = ()
    law_y: tuple[float, ...] = ()
    best: tuple[float, float] | None = None
    """Where the law's curve is lowest, if that lies within what was tried."""


def by_size(ladder: Numbers) -> tuple[Line, ...]:
    """A line for each size: loss against the compute of a run."""
    law, found = _law(ladder), []
    known = _known(ladder)
    for count in dict.fromkeys(rung["size"] for rung in known):
        own = [rung for rung in known if rung["size"] == count]
        curve_x: list[float] = []
        curve_y: list[float] = []
        if law is not None:
            tokens = numpy.geomspace(own[0]["tokens"], own[-1]["tokens"], _POINTS)
            each = own[0]["flops"] / own[0]["tokens"]
            curve_x = [float(each * item) for item in tokens]
            curve_y = [law(count, float(item)) for item in tokens]
        name = f"{own[0]['model']}, {size(count)} weights"
        found.append(_line(name, own, "flops", curve_x, curve_y))
    return tuple(found)


def by_compute(ladder: Numbers) -> tuple[Line, ...]:
    """A line for each compute budget: loss against size. Without a law, measured budgets only."""
    law, known, found = _law(ladder), _known(ladder), []
    if not known:
        return ()
    groups: list[list[Numbers]] = []
    for rung in sorted(known, key=lambda rung: rung["flops"]):
        if groups and equal_flops(rung["flops"], groups[-1][0]["flops"]):
            groups[-1].append(rung)
        else:
            groups.append([rung])
    equal = [sorted(group, key=lambda rung: rung["size"]) for group in groups if len(group) > 1]
    if law is None:
        return tuple(_line(_budget(group[0]["flops"]), group, "size", [], []) for group in equal)
    most = max(rung["flops"] for rung in known)
    budgets = [(group[0]["flops"], group) for group in equal]
    budgets = budgets or [(part * most, []) for part in _PARTS]
    c, g = ladder["law"]["flops_per_token"]
    sizes = numpy.geomspace(
        min(rung["size"] for rung in known), max(rung["size"] for rung in known), _POINTS
    )
    for flops, group in budgets:
        curve = [law(float(item), float(flops / (c * item**g))) for item in sizes]
        place = int(numpy.argmin(curve))
        best = (float(sizes[place]), curve[place]) if 0 < place < len(sizes) - 1 else None
        found.append(_line(_budget(flops), group, "size", sizes.tolist(), curve, best))
    return tuple(found)


def line_figure(lines: tuple[Line, ...], axis: str, metric: str) -> Figure:
    """Dots with their intervals, the law's curves, and stars where these are lowest."""
    data: list[dict[str, Any]] = []
    for place, line in enumerate(lines):
        group = {"legendgroup": f"line{place}", "name": html.escape(line.name, quote=False)}
        hover = {"hovertemplate": "%{y:.4~g} at %{x:.3~s}"}
        tint = colour(place)
        if line.law_x:
            data.append(
                {
                    **group,
                    **hover,
                    "x": _short(line.law_x),
                    "y": _short(line.law_y),
                    "mode": "lines",
                    "line": {"color": tint, "width": 1.6, "dash": "dot"},
                    "showlegend": not line.x,
                }
            )
        if line.x:
            up = [high - y for high, y in zip(line.high, line.y, strict=True)]
            down = [y - low for low, y in zip(line.low, line.y, strict=True)]
            data.append(
                {
                    **group,
                    **hover,
                    "x": _short(line.x),
                    "y": _short(line.y),
                    "mode": "markers" if line.law_x else "lines+markers",
                    "marker": {"color": tint, "size": 8},
                    "line": {"color": tint, "width": 1.6},
                    "error_y": {"type": "data", "array": _short(up), "arrayminus": _short(down)},
                }
            )
        if line.best:
            data.append(
                {
                    **group,
                    **hover,
                    "x": _short(line.best[:1]),
                    "y": _short(line.best[1:]),
                    "mode": "markers",
                    "marker": {"color": tint, "size": 14, "symbol": "star"},
                    "showlegend": False,
                }
            )
    reach = [x for line in lines for x in (*line.x, *line.law_x)]
    return {"data": data, "layout": log_layout(axis, metric, (min(reach), max(reach)))}


def _line(
    name: str,
    rungs: list[Numbers],
    axis: str,
    law_x: list[float],
    law_y: list[float],
    best: tuple[float, float] | None = None,
) -> Line:
    def ends(side: str) -> tuple[float, ...]:
        return tuple(rung["loss"] if rung[side] is None else rung[side] for rung in rungs)

    return Line(
        name=name,
        x=tuple(float(rung[axis]) for rung in rungs),
        y=tuple(rung["loss"] for rung in rungs),
        low=ends("low"),
        high=ends("high"),
        law_x=tuple(law_x),
        law_y=tuple(law_y),
        best=best,
    )


def _known(ladder: Numbers) -> list[Numbers]:
    return [rung for rung in ladder["rungs"] if rung["loss"] is not None]


def _budget(flops: float) -> str:
    return f"{operations(flops)} FLOPs"


def _law(ladder: Numbers) -> Callable[[float, float], float] | None:
    law = ladder["law"]
    if law is None:
        return None
    names = ("floor", "size_factor", "size_exponent", "token_factor", "token_exponent")
    e, a, alpha, b, beta = (law[name]["value"] for name in names)
    return lambda n, d: float(e + a * n**-alpha + b * d**-beta)


def _short(values: tuple[float, ...] | list[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
