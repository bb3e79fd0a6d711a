"""The page: one HTML file that opens from disk and asks for nothing.

Everything from a name or a value is escaped by Jinja, or by JSON inside the figures' data. The
content security policy allows the two scripts written here, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import pandas
from markupsafe import Markup, escape

from selector.report import figures, interactions, ladder_page, pareto, together
from selector.report.compare import devices
from selector.report.effort import effort
from selector.report.facts import failed_runs, how_it_was_run
from selector.report.landscape import landscape
from selector.report.learning import learning
from selector.report.method import method_sentences
from selector.report.recommendation import caveats, reasons
from selector.report.screens import arm_table, command_list, rivals, settings_table
from selector.report.words import HEADLINES, answer_sentence, settle
from selector.study.answer import Answer
from selector.study.stored import StoredStudy
from selector.study.study import Study

_LONG_NAME = 20  # characters; shorter names fit into a table as they are


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tidy tables of a study, as `selector.report.results` makes them."""

    results: pandas.DataFrame
    curves: pandas.DataFrame


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One figure's place on the page."""

    id: str
    title: str
    figure: figures.Figure


def page(
    stored: StoredStudy,
    answer: Answer,
    recommendation: Mapping[str, Any],
    tables: Tables,
    configuration: str,
    path: str,
) -> str:
    """The page's HTML; `configuration` is the text of recommended.yaml, which lies at `path`."""
    study, verdict = stored.study, answer.verdict
    leads, drawn = rivals(answer), _drawn(study, answer, tables)
    costs, both = pareto.pareto(stored, answer), recommendation["together"]
    drawn["pareto_plots"] = _cost_plots(study, costs)
    scaling = recommendation["scaling"]
    drawn["ladder_plots"] = [
        Plot(id=name, title=title, figure=figure)
        for name, title, figure in ladder_page.drawings(study.metric, scaling)
    ]
    plots = [
        plot
        for group in ("learning", "effort", "tuned", "ladder", "pareto")
        for plot in drawn[f"{group}_plots"]
    ]
    scripts = [*([figures.plotly_script()] if plots else []), _source("page.js")]
    template = _environment().from_string(_source("template.html"))
    return template.render(
        policy=_policy(scripts),
        style=Markup(_source("page.css")),
        scripts=[Markup(text) for text in scripts],
        figures=_json({plot.id: plot.figure for plot in plots}),
        study=study,
        state="none" if verdict is None else verdict.state.value if verdict.state else "single",
        headline="No answer yet" if verdict is None else HEADLINES[verdict.state],
        unfinished=not answer.complete,
        sentence=answer_sentence(stored, answer),
        arms=arm_table(stored, answer),
        unlike_devices=len(devices(stored.record.runs())) > 1,
        rivals=leads,
        verdict=verdict,
        settle=settle(study, verdict) if verdict and answer.complete else "",
        caveats=[*caveats(stored, answer), *reasons(answer, [item.reason for item in leads])],
        recommended=answer.recommended,
        settings=settings_table(study, answer),
        method=method_sentences(stored, answer),
        confidence=f"{100 * (1 - answer.level):.3g}",
        commands=command_list(study, answer, path),
        configuration=configuration,
        **drawn,
        costs=costs,
        cost_table=pareto.lines,
        lonely=pareto.lonely,
        together=both,
        choices=together.lines(both) if both else [],
        alone=together.interaction_alone(both),
        interactions=interactions.interactions(study, answer),
        interaction_table=interactions.lines,
        shown=together.shown,
        transfer=recommendation["transfer"],
        scaling=scaling,
        rungs=ladder_page.rung_table(scaling),
        carried=ladder_page.pair_table(recommendation["transfer"]),
        failures=failed_runs(stored),
        health=_alike(recommendation["health"]),
        run_facts=how_it_was_run(recommendation["provenance"]),
        notes=recommendation["provenance"]["notes"],
        decisions=[json.dumps(item) for item in recommendation["provenance"]["decisions"]],
    )


def _drawn(study: Study, answer: Answer, tables: Tables) -> dict[str, Any]:
    """The figures and what their captions say; ids are constant, whatever things are called."""
    arms, metric = [arm.name for arm in study.arms], study.metric
    curves = learning(study, answer, tables.curves)
    tuning = effort(study, tables.results)
    panels = landscape(study, answer, tables.results)
    learned = [] if curves is None else [figures.learning_figure(curves, arms)]
    bought = [figures.effort_figure(tuning, metric, arms)] if tuning else []
    return {
        "learning_stage": curves.stage if curves else "",
        "learning_plots": [Plot(id="figure-curves", title="", figure=item) for item in learned],
        "effort_plots": [Plot(id="figure-effort", title="", figure=item) for item in bought],
        "tuned_plots": [
            Plot(
                id=f"figure-tuned-{place}",
                title=panel.arm,
                figure=figures.panel_figure(panel, metric, arms),
            )
            for place, panel in enumerate(panels)
        ],
        "left_out": sum(panel.left_out for panel in panels),
    }


def _cost_plots(study: Study, costs: Sequence[pareto.Pareto]) -> list[Plot]:
    arms = [arm.name for arm in study.arms]
    return [
        Plot(
            id=f"figure-cost-{place}",
            title=item.cost,
            figure=figures.pareto_figure(item, study.metric, arms),
        )
        for place, item in enumerate(costs)
        if item.arms or item.trials
    ]


def _alike(findings: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Findings that say the same of several arms as one."""
    found: dict[tuple[str, ...], Mapping[str, str]] = {}
    for item in findings:
        key = tuple(value for name, value in item.items() if name != "arm")
        arm = f"{found[key]['arm']}; {item['arm']}" if key in found else item["arm"]
        found[key] = {**item, "arm": arm}
    return list(found.values())


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["commands"] = _commands
    environment.filters["breakable"] = _breakable
    return environment


def _commands(text: str) -> Markup:
    """`text` with what stands between backticks as code; all of it escaped."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _breakable(name: str) -> Markup:
    """A long name with places where a line may end, so that a table of such names stays narrow."""
    shown = escape(name)
    if len(name) <= _LONG_NAME:
        return shown
    return Markup(re.sub(r"([_=])(?=.)", r"\1<wbr>", str(shown)))


def _json(content: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return Markup(text.replace("<", "\\u003c"))


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline';"
        " img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _source(name: str) -> str:
    return resources.files("selector.report").joinpath(name).read_text(encoding="utf-8")
