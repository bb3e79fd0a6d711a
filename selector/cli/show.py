"""Tables and sentences for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from selector.study.status import Status


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
        "stopped": list(found.stopped),
        "paused": list(found.paused),
        "given": list(found.given),
        "ended": found.ended,
    }


def status(found: Status) -> None:
    """The status for people."""
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(found.study)}[/]  {found.state}, {found.finished} of {found.total} runs,"
        f" {found.running} running"
    )
    console.print(arms_table([vars(arm) for arm in found.arms], found.metric))
    by_hand = {"paused": found.paused, "stopped": found.stopped, "given by hand": found.given}
    for words, numbers in by_hand.items():
        if numbers:
            console.print(f"{words}: trials {', '.join(map(str, numbers))}", soft_wrap=True)
    if found.ended:
        console.print(f"it ended: {escape(found.ended)}", soft_wrap=True)


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


def counted(number: int, word: str) -> str:
    """A number of things: 1 run, 2 runs."""
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
