"""What is behind a plan, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from selector.cli.show import large

if TYPE_CHECKING:
    from selector.study.explain import Explained


def explained_mapping(found: Sequence[Explained]) -> list[dict[str, Any]]:
    """For programs: numbers as they are; a run's length is null where it is not known yet."""
    return [{**asdict(item), "ratio": item.ratio} for item in found]


def show_explained(found: Sequence[Explained]) -> None:
    """For people: the arms that come to the same under one heading."""
    console = Console(highlight=False)
    for item in found:
        console.print(f"\n[bold]{escape(', '.join(item.arms))}[/]")
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for name, text in _lines(item):
            table.add_row(f"  {name}", escape(text))
        console.print(table)


def _lines(item: Explained) -> Iterator[tuple[str, str]]:
    yield (
        "parameters",
        f"{large(item.parameters)}; {large(item.non_embedding_parameters)} without tables and head",
    )
    yield (
        "FLOPs a token",
        f"{large(item.flops_per_token)} by formula (forward and backward); torch counts"
        f" {large(item.counted_flops_per_token)}: {item.ratio:.3f} of it",
    )
    length = item.length
    if length is None:
        yield "a run", "its tokens are not known before the data is prepared or timed"
        return
    yield (
        "a run",
        f"{length.tokens:,} tokens in {length.steps:,} steps of {length.tokens_per_step:,};"
        f" {large(item.flops_per_token * length.tokens)} FLOPs",
    )
    flat = length.steps - length.warmup_steps - length.decay_steps
    yield (
        "schedule",
        f"{length.warmup_steps:,} steps of warmup, {flat:,} at the highest rate,"
        f" {length.decay_steps:,} of decay",
    )
