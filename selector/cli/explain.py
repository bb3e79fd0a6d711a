"""What is behind a plan, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from selector.cli.show import large

if TYPE_CHECKING:
    from selector.study.explain import Explained


def explained_mapping(found: Sequence[Explained]) -> list[dict[str, Any]]:
    """For programs: numbers as they are; a run's length is null where it is not known yet."""
    return [
        {**asdict(item), "memory": {"total": item.memory.total, **asdict(item.memory)}}
        for item in found
    ]


def show_explained(found: Sequence[Explained]) -> None:
    """For people: the arms that come to the same under one heading."""
    console = Console(highlight=False)
    for item in found:
        console.print(f"\n[bold]{escape('; '.join(item.arms))}[/]")
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for name, text in _lines(item):
            table.add_row(f"  {name}", escape(text))
        console.print(table)
        console.print(_rates(item))
        if item.step_law:
            console.print(f"  A prior, never an answer: {escape(str(item.step_law))}.")


def _lines(item: Explained) -> Iterator[tuple[str, str]]:
    active = ""
    if item.active_parameters != item.parameters:
        active = f", {large(item.active_parameters)} of them active for a token"
    yield (
        "parameters",
        f"{large(item.parameters)}{active}; {large(item.non_embedding_parameters)} without tables"
        " and head",
    )
    mean = ""
    if item.flops_per_token != item.one_pass_flops_per_token:
        mean = f"{large(item.flops_per_token)} in the mean of a run; one pass at full length: "
    yield (
        "FLOPs a token",
        f"{mean}{large(item.one_pass_flops_per_token)} by formula (forward and backward); torch"
        f" counts {large(item.counted_flops_per_token)}: {item.ratio:.3f} of it",
    )
    parts = asdict(item.memory).items()
    shares = ", ".join(f"{_bytes(count)} {name}" for name, count in parts if count)
    more = f"; {item.not_counted}" if item.not_counted else ""
    yield "memory", f"{_bytes(item.memory.total)} by formula for one run: {shares}{more}"
    length = item.length
    if length is None:
        yield "a run", "its tokens are not known before the data is prepared or timed"
    else:
        yield (
            "a run",
            f"{length.tokens:,} tokens in {length.steps:,} steps of {length.tokens_per_step:,};"
            f" {large(item.flops_per_token * length.tokens)} FLOPs",
        )
        flat = length.steps - length.warmup_steps - length.decay_steps
        yield (
            "schedule",
            f"{length.warmup_steps:,} steps of warmup, "
            + (
                "then the rate falls where evaluations stop improving"
                if length.reacts
                else f"{flat:,} at the highest rate, {length.decay_steps:,} of decay"
            ),
        )
    for value in item.derived:
        yield value.name, f"{value.value:.4g}: {value.because}"


def _rates(item: Explained) -> Table:
    """The groups of parameters with their rates and decays."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    rules = {row.decay_rule for row in item.rates if row.decay_rule}
    decay = f"weight decay{', ' if rules else ''}{', '.join(rules)}"
    for name in ("  group", "parameters", "rule", "peak rate", "tuned", decay, "a step"):
        left = name in ("  group", "rule")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=left)
    for row in item.rates:
        own = (
            _between(row.weight_decay, row.weight_decay_range)
            if row.weight_decay_range[1]
            else "none"
        )
        table.add_row(
            f"  {row.group}",
            large(row.parameters),
            row.rule,
            f"{row.lr:.3g}",
            _range(row.lr_range),
            own,
            "" if not row.shrinks else f"-{row.shrinks:.2g}",
        )
    return table


def _range(ends: tuple[float, float]) -> str:
    return "" if ends[0] == ends[1] else f"{ends[0]:.3g} to {ends[1]:.3g}"


def _between(value: float, ends: tuple[float, float]) -> str:
    return f"{value:.3g}" if ends[0] == ends[1] else f"{value:.3g} ({_range(ends)})"


def _bytes(count: int) -> str:
    """A size in memory: 12 MiB, 1.3 GiB."""
    unit, name = (2**30, "GiB") if count >= 2**30 else (2**20, "MiB")
    return f"{count / unit:.3g} {name}"
