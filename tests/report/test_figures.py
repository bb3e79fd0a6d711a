from __future__ import annotations

import math

import plotly.graph_objects
import pytest

from selector.report import figures
from selector.report.effort import Effort, effort
from selector.report.landscape import landscape
from selector.report.learning import learning
from selector.report.results import curves, results
from selector.space.dimension import Choices
from selector.study.answer import answer
from tests.report.build import ADAMW, MUON, SGD, Surface, finished


@pytest.fixture(scope="module")
def drawn() -> list[figures.Figure]:
    choices = Surface(name="lion", dimensions={"batch.micro_batch": Choices(values=(4, 8))})
    stored = finished(ADAMW, MUON, SGD, choices).stored()
    known = answer(stored.study, stored.record)
    arms = [arm.name for arm in stored.study.arms]
    curve = learning(stored.study, known, curves(stored))
    assert curve is not None
    return [
        figures.learning_figure(curve, arms),
        figures.effort_figure(effort(stored.study, results(stored)), "loss", arms),
        *(
            figures.panel_figure(panel, "loss", arms)
            for panel in landscape(stored.study, known, results(stored))
        ),
    ]


def test_plotly_accepts_every_figure(drawn: list[figures.Figure]) -> None:
    assert len(drawn) == 6
    for figure in drawn:
        plotly.graph_objects.Figure(figure)


def test_both_themes_shine_through(drawn: list[figures.Figure]) -> None:
    for figure in drawn:
        assert (
            figure["layout"]["paper_bgcolor"] == figure["layout"]["plot_bgcolor"] == "rgba(0,0,0,0)"
        )


def test_an_arm_has_one_colour_everywhere(drawn: list[figures.Figure]) -> None:
    lines = [trace for figure in drawn[:2] for trace in figure["data"] if "name" in trace]
    seen: dict[str, set[str]] = {}
    for trace in lines:
        seen.setdefault(trace["name"], set()).add(trace["line"]["color"])
    assert {name: len(found) for name, found in seen.items()} == dict.fromkeys(seen, 1)
    assert len({next(iter(found)) for found in seen.values()}) == 4
    assert drawn[2]["data"][0]["marker"]["color"] == next(iter(seen["adamw"]))


def test_a_wild_trial_does_not_flatten_what_tuning_buys() -> None:
    wild = Effort(arm="a", trials=(1, 2, 8), best=(5e4, 3e3, 0.02), typical=0.3)
    calm = Effort(arm="b", trials=(1, 2, 8), best=(0.4, 0.2, 0.05), typical=0.35)
    low, high = figures.effort_figure([wild, calm], "loss", ["a", "b"])["layout"]["yaxis"]["range"]
    assert low < 0.02
    assert 0.4 < high < 1
    rising = Effort(arm="b", trials=(1, 2), best=(0.4, 0.9), typical=0.5)
    low, high = figures.effort_figure([rising], "accuracy", ["b"])["layout"]["yaxis"]["range"]
    assert low < 0.4 < 0.9 < high


def test_every_point_lies_inside_its_panel(drawn: list[figures.Figure]) -> None:
    for figure in drawn[2:]:
        low, high = figure["layout"]["yaxis"]["range"]
        assert all(low <= y <= high for trace in figure["data"] for y in trace["y"])
        if figure["layout"]["xaxis"].get("type") == "log":
            first, last = figure["layout"]["xaxis"]["range"]
            assert all(first <= math.log10(x) <= last for t in figure["data"] for x in t["x"])
            assert len(figure["layout"]["xaxis"]["tickvals"]) >= 3


def test_names_are_escaped_for_plotlys_own_markup() -> None:
    stored = finished(Surface(name="<b>bold</b>"), MUON).stored()
    curve = learning(stored.study, answer(stored.study, stored.record), curves(stored))
    assert curve is not None
    figure = figures.learning_figure(curve, ["<b>bold</b>", "muon"])
    assert "&lt;b&gt;bold&lt;/b&gt;" in [trace.get("name") for trace in figure["data"]]
