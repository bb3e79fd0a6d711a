"""A plan for programs and for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from selector.cli.show import counted, duration, large
from selector.study.followup import second_name

if TYPE_CHECKING:
    from selector.study.plan import ArmPlan, Plan
    from selector.study.study import Study

_STAGES = {"rung1": "short", "explore": "explore", "screen": "screen", "verdict": "verdict"}
_LONG = 14  # a word of an arm's name: its end says what sets the arm apart, so it needs the room


def plan_mapping(made: Plan) -> dict[str, Any]:
    """The plan for programs; `trials`, `runs` and `tokens` are those up to the first look."""
    study, budget = made.study, made.study.budget
    return {
        "study": study.name,
        "question": study.question,
        "arms": [_arm_mapping(arm) for arm in made.arms],
        "fixed": dict(made.fixed),
        "trials": sum(arm.trials for arm in made.arms),
        "runs": made.runs,
        "more_runs": {"looks": made.more_by_looks, "extensions": made.more_by_extensions},
        "tokens": made.tokens,
        "fair": study.fair,
        "rungs": study.rungs,
        "subject_to": list(study.subject_to),
        "pareto": list(study.pareto),
        "then": list(study.then),
        "second_runs": made.second_runs,
        "limits": {"hours": budget.hours or None, "device_hours": budget.device_hours or None},
        "estimated_seconds": made.estimated_seconds,
        "detectable": made.detectable,
        "detectable_metric": made.detectable_metric,
        "notes": [*study.notes, *made.missing],
        "changes": list(made.changes),
        "start": made.start,
    }


def show_plan(made: Plan, study: str, overrides: Sequence[str], start: str = "") -> None:
    """The plan for people; `study`, `overrides` and `start` are the command line's."""
    console = Console(highlight=False)
    asked = made.study
    console.print(f"[bold]{escape(asked.name)}[/]  {escape(asked.question)}\n")
    console.print(_table(made.arms))
    for line in _lines(made):
        console.print(escape(line), soft_wrap=True)
    if made.start:
        console.print(f"--from: {escape(made.start)}", soft_wrap=True)
    for note in (*asked.notes, *made.missing):
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if made.changes:
        console.print(
            f"\n[bold]selector run will refuse this[/]: what is stored as {escape(asked.name)} asks"
            f" another question (name={escape(asked.name)}_2 stores this one beside it, and with"
            f" --from {escape(asked.name)} takes over every run that is the same):",
            soft_wrap=True,
        )
        for change in made.changes:
            console.print(f"  {escape(change)}", soft_wrap=True)
    command = shlex.join(
        ["selector", "run", study, *(["--from", start] if start else []), *overrides]
    )
    console.print(f"\n{escape(command)}", soft_wrap=True)


def _arm_mapping(arm: ArmPlan) -> dict[str, Any]:
    return {
        "name": arm.name,
        "space": arm.space,
        **{f"{stage}_runs": arm.runs.get(stage, 0) for stage in _STAGES},
        "tokens_per_run": arm.tokens_per_run,
        "tokens": arm.tokens,
        "parameters": arm.parameters,
        "flops": arm.flops,
    }


def _table(arms: Sequence[ArmPlan]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    stages = [stage for stage in _STAGES if any(stage in arm.runs for arm in arms)]
    widest = max(len(word) for arm in arms for word in arm.name.split())
    table.add_column("arm", overflow="fold")
    numbers = (*(_STAGES[stage] for stage in stages), "tokens a run", "parameters", "FLOPs in all")
    for name in numbers:
        table.add_column(name if widest <= _LONG else name.replace(" ", "\n", 1), justify="right")
    for arm in arms:
        table.add_row(
            escape(arm.name),
            *(str(arm.runs.get(stage, 0)) for stage in stages),
            large(arm.tokens_per_run),
            large(arm.parameters),
            large(arm.flops),
        )
    return table


def _lines(made: Plan) -> Iterator[str]:
    """What there is to say under the table."""

    study = made.study
    yield from _tuned(made.arms)
    if made.fixed:
        options = [f"{key} {value}" for key, value in made.fixed.items() if "." not in key]
        values = [f"{key}={_value(value)}" for key, value in made.fixed.items() if "." in key]
        yield f"Fixed: {', '.join([*options, *values])}."
    yield _search(made)
    if study.rungs:
        yield (
            "Each trial first trains for a third of its tokens; about a third of them go on to a"
            " training of full length."
        )
    if study.fair != "tokens":
        words = {"flops": "FLOPs", "seconds": "seconds of training"}[study.fair]
        each = " of its length" if len({arm.length for arm in study.arms}) > 1 else ""
        yield f"Every run gets as many {words} as one of the first arm{each}."
    yield from _more(made)
    if study.subject_to:
        yield f"Subject to: {', '.join(study.subject_to)}."
    if study.pareto:
        yield f"Quality is shown against: {', '.join(study.pareto)}."
    if made.second_runs is not None:
        yield (
            f"Then, as {second_name(study.name)}: the choices that beat {study.arms[0].name}"
            " together, and each of them left out once: up to"
            f" {made.second_runs} more runs; none where fewer than two do."
        )
    yield from _limits(study)
    yield _detectable(made)
    seconds = made.estimated_seconds
    yield (
        f"Time: {duration(seconds)} from what was measured."
        if seconds is not None
        else "Time: not known before a run of it has been measured."
    )


def _tuned(arms: Sequence[ArmPlan]) -> Iterator[str]:
    """What is tuned, arm by arm where it differs."""
    spaces = {
        arm.name: "; ".join(f"{key} {text}" for key, text in arm.space.items()) or "nothing"
        for arm in arms
    }
    if len(set(spaces.values())) == 1:
        yield f"Tuned: {spaces[arms[0].name]}."
        return
    yield "Tuned:"
    yield from (f"  {name}: {space}" for name, space in spaces.items())


def _search(made: Plan) -> str:
    study = made.study
    trials = max(study.trials_in(arm) for arm in study.arms)
    screened = ""
    if study.screens:
        most = min(study.budget.screen, trials)
        screened = f" the best {most} once more on a screening seed,"
    return (
        f"{made.runs} runs ({large(made.tokens)} tokens in all): up to {counted(trials, 'trial')}"
        f" in each of {counted(study.sub_searches, 'sub-search')} an arm (sampler"
        f" {study.sampler.name}), then{screened} {counted(study.verdict_seeds, 'fresh seed')} for"
        " the best of each."
    )


def _more(made: Plan) -> Iterator[str]:
    study = made.study
    if made.more_by_looks:
        when = (
            "Where this does not settle the question, sub-searches are added"
            if study.budget.stop_when_clear
            else "Then sub-searches are added, whatever is clear by then"
        )
        yield f"{when}, to {study.looks[-1]} an arm: {made.more_by_looks} more runs."
    if made.more_by_extensions:
        yield (
            "Where an arm is best at an edge of its range, the range is extended, at most"
            f" {counted(study.budget.extensions, 'time')} an arm: up to {made.more_by_extensions}"
            " more runs."
        )


def _limits(study: Study) -> Iterator[str]:
    limits = []
    if study.budget.hours:
        limits.append(f"{study.budget.hours:g} h of a command")
    if study.budget.device_hours:
        limits.append(f"{study.budget.device_hours:g} h of all runs together")
    if limits:
        yield f"No more runs are started after {' or '.join(limits)}; the study can go on later."


def _detectable(made: Plan) -> str:
    """What the budget can find, in standard deviations between units and in the metric."""
    from selector.study.power import SEED_SD

    study = made.study
    unit = "sub-searches" if study.sub_searches > 1 else "seeds"
    if len(study.arms) == 1:
        return "It compares nothing: there is one arm."
    if made.detectable is None:
        return "It can decide nothing: the noise is not measured with one value an arm."
    first = ""
    if made.more_by_looks and made.detectable_first is not None:
        first = f" ({made.detectable_first:.1f} at the first look)"
    metric = ""
    if made.detectable_metric is not None:
        metric = (
            f": about {made.detectable_metric:.2g} in {study.metric}, if seeds scatter by"
            f" {SEED_SD:g}"
        )
    return (
        f"It finds, in 80 % of studies, a difference of {made.detectable:.1f} standard deviations"
        f" between {unit}{first}{metric}."
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
