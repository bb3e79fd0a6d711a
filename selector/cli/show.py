"""Tables and sentences for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from selector.study.plan import Plan
    from selector.study.status import Status


def plan_mapping(made: Plan) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "study": made.study.name,
        "question": made.study.question,
        "arms": [
            {
                "name": arm.name,
                "space": arm.space,
                "explore_runs": arm.explore_runs,
                "verdict_runs": arm.verdict_runs,
                "parameters": arm.parameters,
                "flops": arm.flops,
            }
            for arm in made.arms
        ],
        "trials": sum(arm.explore_runs for arm in made.arms),
        "runs": made.runs,
        "tokens": made.tokens,
        "second_runs": made.second_runs,
        "estimated_seconds": made.estimated_seconds,
        "detectable": made.detectable,
        "notes": list(made.study.notes),
        "changes": list(made.changes),
    }


def plan(made: Plan, study: str, overrides: Sequence[str]) -> None:
    """The plan for people."""
    from selector.study.followup import second_name

    console = Console(highlight=False)
    asked = made.study
    budget = asked.budget
    console.print(f"[bold]{escape(asked.name)}[/]  {escape(asked.question)}\n")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("arm", "tuned", "explore", "verdict", "parameters", "FLOPs"):
        table.add_column(name, justify="left" if name in ("arm", "tuned") else "right")
    for arm in made.arms:
        space = "\n".join(f"{key} {text}" for key, text in arm.space.items()) or "nothing"
        table.add_row(
            escape(arm.name),
            escape(space),
            str(arm.explore_runs),
            str(arm.verdict_runs),
            large(arm.parameters),
            large(arm.flops),
        )
    console.print(table)
    console.print(
        f"{made.runs} runs of {large(budget.tokens)} tokens ({large(made.tokens)} in all):"
        f" up to {_count(budget.trials, 'trial')} in each of"
        f" {_count(asked.sub_searches, 'sub-search')} an arm (sampler {asked.sampler.name}), then"
        f" {_count(asked.verdict_seeds, 'fresh seed')} for the best of each.",
        soft_wrap=True,
    )
    if made.second_runs is not None:
        console.print(
            f"Then, as {escape(second_name(asked.name))}, the choices that beat"
            f" {escape(asked.arms[0].name)} together and each left out once: up to"
            f" {made.second_runs} more runs; none where fewer than two do.",
            soft_wrap=True,
        )
    unit = "sub-searches" if asked.sub_searches > 1 else "seeds"
    if made.detectable is None:
        console.print("It can decide nothing: the noise is not measured with one value an arm.")
    else:
        console.print(
            f"It finds, in 80 % of studies, a difference of {made.detectable:.1f} standard"
            f" deviations between {unit}.",
            soft_wrap=True,
        )
    seconds = made.estimated_seconds
    console.print(
        f"Time: {duration(seconds)} from what was measured."
        if seconds is not None
        else "Time: not known before a run of it has been measured."
    )
    for note in asked.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if made.changes:
        console.print(
            f"\n[bold]selector run will refuse this[/]: what is stored as {escape(asked.name)} asks"
            f" another question (name={escape(asked.name)}_2 stores this one beside it):",
            soft_wrap=True,
        )
        for change in made.changes:
            console.print(f"  {escape(change)}", soft_wrap=True)
    command = shlex.join(["selector", "run", study, *overrides])
    console.print(f"\n{escape(command)}", soft_wrap=True)


def status_mapping(found: Status) -> dict[str, Any]:
    """The status for programs."""
    return {
        "study": found.study,
        "state": found.state,
        "runs": {
            "asked": found.asked,
            "finished": found.finished,
            "failed": found.failed,
            "running": found.running,
        },
        "best": found.best,
        "arms": [dict(vars(arm)) for arm in found.arms],
    }


def status(found: Status) -> None:
    """The status for people."""
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(found.study)}[/]  {found.state}, {found.finished} of {found.total} runs,"
        f" {found.running} running"
    )
    console.print(arms_table([vars(arm) for arm in found.arms], found.metric))


def arms_table(arms: Sequence[Mapping[str, Any]], judged_by: str) -> Table:
    """Progress arm by arm: name, finished, total, failures, best in the search."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm")
    for name in ("runs", f"best {judged_by} tried", "failures"):
        table.add_column(name, justify="right")
    for arm in arms:
        failures = ", ".join(f"{count} {name}" for name, count in arm["failures"].items())
        best = "" if arm["best"] is None else f"{arm['best']:.4f}"
        table.add_row(escape(arm["name"]), f"{arm['finished']}/{arm['total']}", best, failures)
    return table


def catalogue(
    axes: Mapping[str, Mapping[str, str]], studies: Mapping[str, str], axis: str | None
) -> None:
    """What there is to choose from."""
    console = Console(highlight=False)
    if axis:
        table = Table(box=None, pad_edge=False, show_header=False)
        for option, text in axes[axis].items():
            table.add_row(f"[bold]{escape(option)}[/]", escape(text))
        console.print(table)
        return
    console.print("[bold]studies[/]  (selector run STUDY)")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, text in studies.items():
        table.add_row(f"  [bold]{escape(name)}[/]", escape(text))
    console.print(table)
    console.print("\n[bold]axes[/]  (selector list AXIS)")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, options in axes.items():
        table.add_row(f"  [bold]{name}[/]", escape(", ".join(options)))
    console.print(table)


def _count(number: int, word: str) -> str:
    plural = "es" if word.endswith("ch") else "s"
    return f"{number} {word}{'' if number == 1 else plural}"


def large(number: float | None) -> str:
    """A large count in three digits: 1.2 M."""
    if number is None:
        return ""
    value = float(number)
    for unit in ("", " k", " M", " G", " T", " P", " E"):
        if abs(value) < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g} Z"


def duration(seconds: float) -> str:
    """A time as people say it: 4 min 10 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
