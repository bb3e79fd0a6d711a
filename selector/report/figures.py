"""Numbers -> figures as Plotly's plain dictionaries; the only importer of Plotly.

Colours of text, lines and grids follow the page's light or dark theme and are set there; an arm
has one colour, dash and marker everywhere. Names are escaped: Plotly's labels read a little HTML.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from selector.report.digits import setting
from selector.report.effort import Effort
from selector.report.landscape import Panel, Point
from selector.report.learning import Learning
from selector.report.pareto import Pareto
from selector.study.contrast import Contrast

Figure = dict[str, Any]

# Okabe and Ito's palette for all kinds of colour vision (jfly.uni-koeln.de/color), without its
# black and yellow, which one of the two backgrounds swallows; the blue is
# lighter, the orange darker.
COLOURS = ("#1b84c4", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#c98f00")
_FAILED = "#808080"
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "pentagon")
# One trial's median, with room above it, begins the view of what tuning buys.
_TYPICAL_SPANS = 1.5
_MOST_TRIALS = 1000  # dots in one figure; all are in trials.csv
_BEST_MARGIN, _WORST_MARGIN, _FAILED_PLACE = 0.06, 0.16, 0.1


def plotly_script() -> str:
    """The text of plotly.js, to be inlined once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def colour(place: int) -> str:
    """The colour of the study's arm number `place`, from 0."""
    return COLOURS[place % len(COLOURS)]


def learning_figure(numbers: Learning, arms: Sequence[str]) -> Figure:
    """Median lines with bands from the lowest to the highest run."""
    data: list[dict[str, Any]] = []
    for curve in numbers.curves:
        place = arms.index(curve.arm)
        x = _short(curve.x)
        if curve.runs > 1:
            edge = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
            group = {"legendgroup": f"arm{place}", "showlegend": False}
            fill = {"fill": "tonexty", "fillcolor": _faint(colour(place))}
            data.append({**edge, **group, "y": _short(curve.low)})
            data.append({**edge, **group, **fill, "y": _short(curve.high)})
        data.append(
            {
                "x": x,
                "y": _short(curve.median),
                "name": _text(curve.arm),
                "legendgroup": f"arm{place}",
                "mode": "lines",
                "line": _line(place),
                "hovertemplate": f"%{{y:.4~g}} at %{{x:.3~s}} {numbers.axis}",
            }
        )
    best, worst = numbers.view
    axis = {"tokens": "training tokens", "step": "steps"}[numbers.axis]
    layout = _layout(axis, numbers.metric)
    layout["xaxis"]["rangemode"] = "tozero"
    layout["yaxis"]["range"] = _padded(best, worst, 0.04)
    return {"data": data, "layout": {**layout, "hovermode": "x unified"}}


def panel_figure(panel: Panel, metric: str, arms: Sequence[str]) -> Figure:
    """Every trial at its setting and value; failures and what is off the scale lie at the rim."""
    place = arms.index(panel.arm)
    best, worst = panel.view
    span = worst - best or max(abs(best), 1.0) * 0.01
    failed = [point for point in panel.points if point.value is None]
    known = [point for point in panel.points if point.value is not None]
    beyond = [point for point in known if _is_beyond(point, best, span)]
    shown = [point for point in known if not _is_beyond(point, best, span)]
    finalists = [point for point in shown if point.finalist]
    marker = {"color": colour(place), "symbol": _symbol(place)}
    data = [
        _dots("trial", shown, {**marker, "size": 8, "opacity": 0.75}),
        _dots(
            "best of its sub-search",
            finalists,
            {**marker, "size": 13, "symbol": _symbol(place) + "-open", "line": {"width": 2}},
        ),
        _dots(
            "recommended",
            [point for point in shown if point.recommended],
            {"symbol": "star", "size": 15, "color": colour(place), "line": {"width": 1}},
        ),
        _dots(
            "worse than shown",
            beyond,
            {"symbol": "triangle-up-open", "size": 9, "color": colour(place)},
            height=worst,
        ),
        _dots(
            "failed",
            failed,
            {"symbol": "x-thin-open", "size": 9, "color": _FAILED, "line": {"width": 1.8}},
            height=best + span * (1 + _FAILED_PLACE),
        ),
    ]
    layout = _layout(panel.key, metric)
    layout["showlegend"] = False
    layout["yaxis"]["range"] = sorted(
        (best - _BEST_MARGIN * span, best + (1 + _WORST_MARGIN) * span)
    )
    layout["xaxis"] |= _range(panel)
    return {"data": [trace for trace in data if trace["x"]], "layout": layout}


def pareto_figure(numbers: Pareto, metric: str, arms: Sequence[str]) -> Figure:
    """Trials of the search as dots with their front, and each arm's mean on fresh seeds."""
    data = []
    explore = [item for item in numbers.trials if item.stage == "explore"]
    every = -(-len(explore) // _MOST_TRIALS) if explore else 1
    drawn = [item for place, item in enumerate(explore) if item.front or place % every == 0]
    for place, arm in enumerate(arms):
        own = [item for item in drawn if item.arm == arm]
        colours = {"color": colour(place), "symbol": _symbol(place)}
        data.append(
            {
                "x": _short([item.cost for item in own]),
                "y": _short([item.value for item in own]),
                "text": [f"trial {item.trial}, one run" for item in own],
                "hovertemplate": "%{text}: %{y:.4~g} at %{x:.3~s}",
                "name": _text(arm),
                "legendgroup": f"arm{place}",
                "showlegend": False,
                "mode": "markers",
                "marker": {**colours, "size": 6, "opacity": 0.45},
            }
        )
    front = sorted((item.cost, item.value) for item in explore if item.front)
    data.append(
        {
            "x": _short([cost for cost, _ in front]),
            "y": _short([value for _, value in front]),
            "name": "front of single runs",
            "mode": "lines",
            "line": {"color": _FAILED, "width": 1.2, "dash": "dot", "shape": "hv"},
            "hoverinfo": "skip",
        }
    )
    for item in numbers.arms:
        place = arms.index(item.arm)
        data.append(
            {
                "x": _short([item.cost.value]),
                "y": _short([item.value.value]),
                "error_x": _whisker(item.cost),
                "error_y": _whisker(item.value),
                "name": _text(item.arm),
                "legendgroup": f"arm{place}",
                "mode": "markers",
                "marker": {"color": colour(place), "symbol": _symbol(place), "size": 13},
                "hovertemplate": "fresh seeds: %{y:.4~g} at %{x:.3~s}",
            }
        )
    layout = _layout(numbers.cost.replace("_", " "), metric)
    costs = {item.cost for item in explore} | {item.cost.value for item in numbers.arms}
    if len(costs) == 1:  # all alike: without a range Plotly would label differences of rounding
        layout["xaxis"]["range"] = _padded(min(costs), max(costs), 0.04)
    ends = _values_worth_seeing(numbers)
    if ends is not None:
        layout["yaxis"]["range"] = _padded(*ends, 0.06)
    return {"data": [trace for trace in data if trace["x"]], "layout": layout}


def _whisker(item: Contrast) -> dict[str, Any]:
    if item.low is None or item.high is None or item.high <= item.low:
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": _short([item.high - item.value]),
        "arrayminus": _short([item.value - item.low]),
    }


def _values_worth_seeing(numbers: Pareto) -> tuple[float, float] | None:
    """From the best value to the worst quarter's beginning: wild runs hide no front."""
    known = sorted(item.value for item in numbers.trials if item.stage == "explore")
    arms = [item.value.value for item in numbers.arms]
    if len(known) < 4:
        return None
    middle = known[len(known) // 4 : -(len(known) // 4)]
    fronts = [item.value for item in numbers.trials if item.front and item.stage == "explore"]
    everything = [*middle, *arms, *fronts]
    return min(everything), max(everything)


def effort_figure(numbers: Sequence[Effort], metric: str, arms: Sequence[str]) -> Figure:
    """Expected best value against the number of trials, a line for each arm."""
    data = [
        {
            "x": list(item.trials),
            "y": _short(item.best),
            "name": _text(item.arm),
            "mode": "lines",
            "line": _line(arms.index(item.arm)),
            "hovertemplate": "%{y:.4~g} after %{x} trials",
        }
        for item in numbers
    ]
    layout = _layout("trials in a sub-search", metric)
    layout["xaxis"] |= {"rangemode": "tozero"}
    layout["yaxis"]["range"] = _effort_range(numbers)
    return {"data": data, "layout": {**layout, "hovermode": "x unified"}}


def log_layout(x: str, y: str, ends: tuple[float, float]) -> Figure:
    """A layout whose horizontal axis goes by orders of magnitude, a little beyond `ends`."""
    layout = _layout(x, y)
    low, high = map(math.log10, ends)
    pad = 0.04 * (high - low) or 0.1
    layout["xaxis"] |= {"type": "log", "range": [low - pad, high + pad]}
    return layout


def _effort_range(numbers: Sequence[Effort]) -> list[float]:
    """All curves, but not where single wild trials lift their beginning beyond typical values."""
    ends = [item.best[-1] for item in numbers]
    sign = 1 if any(item.best[0] > item.best[-1] for item in numbers) else -1
    best = min(ends) if sign > 0 else max(ends)
    starts = max(sign * (item.best[0] - best) for item in numbers)
    typical = max(sign * (item.typical - best) for item in numbers)
    return _padded(best, best + sign * min(starts, _TYPICAL_SPANS * typical), 0.06)


def _dots(
    name: str, points: Sequence[Point], marker: dict[str, Any], height: float | None = None
) -> dict[str, Any]:
    def word(point: Point) -> str:
        return point.outcome if point.value is None else f"{point.value:.4g}"

    return {
        "x": [_text(p.x) if isinstance(p.x, str) else _significant(float(p.x)) for p in points],
        "y": [_significant(p.value if height is None else height) for p in points],  # type: ignore[arg-type]
        "text": [f"trial {p.trial}: {_text(word(p))} at {_text(setting(p.x))}" for p in points],
        "hovertemplate": "%{text}",
        "name": name,
        "mode": "markers",
        "marker": marker,
        "cliponaxis": False,
    }


def _is_beyond(point: Point, best: float, span: float) -> bool:
    assert point.value is not None
    return abs(point.value - best) > abs(span)


def _range(panel: Panel) -> dict[str, Any]:
    if panel.ends is None:
        return {"type": "category"}
    if not panel.log:
        pad = 0.04 * (panel.ends[1] - panel.ends[0])
        return {"range": [panel.ends[0] - pad, panel.ends[1] + pad]}
    low, high = map(math.log10, panel.ends)
    pad = 0.04 * (high - low)
    ticks = _log_ticks(low, high)
    return {
        "type": "log",
        "range": [low - pad, high + pad],
        "tickvals": ticks,
        "ticktext": [setting(tick) for tick in ticks],
    }


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values between 10^low and 10^high, about four to six of them."""
    decades = high - low
    leading = (1, 2, 5) if decades < 1.7 else (1, 3) if decades < 2.7 else (1,)
    places = range(math.floor(low), math.ceil(high) + 1)
    values = [float(f"{first}e{place}") for place in places for first in leading]
    slack = 1e-9
    return [value for value in values if low - slack <= math.log10(value) <= high + slack]


def _layout(x: str, y: str) -> Figure:
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 16, "t": 12, "b": 48},
        "xaxis": {"title": {"text": _text(x)}, "zeroline": False, "exponentformat": "SI"},
        "yaxis": {"title": {"text": _text(y)}, "zeroline": False, "automargin": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"namelength": -1},
        "showlegend": True,
    }


def _line(place: int) -> dict[str, Any]:
    dash = _DASHES[place // len(COLOURS) % len(_DASHES)]
    return {"color": colour(place), "width": 2.2, "dash": dash}


def _symbol(place: int) -> str:
    return _SYMBOLS[place // len(COLOURS) % len(_SYMBOLS)]


def _faint(hexadecimal: str) -> str:
    red, green, blue = (int(hexadecimal[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def _padded(first: float, second: float, share: float) -> list[float]:
    low, high = sorted((first, second))
    pad = share * (high - low) or 0.01 * max(abs(high), 1.0)
    return [low - pad, high + pad]


def _short(values: Sequence[float]) -> list[float]:
    return [_significant(value) for value in values]


def _significant(value: float) -> float:
    """Six digits: more than a screen shows, and the page stays small."""
    return float(f"{value:.6g}")


def _text(value: Any) -> str:
    return html.escape(str(value), quote=False)
