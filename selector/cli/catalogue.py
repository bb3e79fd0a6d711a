"""What `selector list` shows: studies, axes, their options and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from selector.config import catalogue
from selector.config.algorithms import trainable
from selector.config.catalogue import Option
from selector.config.locations import conf_folder
from selector.config.switches import Switch, default_option, switches

_TIER_2 = "tier 2: from a library, or tested less than tier 1"
_UNBANKED = "from a library or not vectorized: one run at a time"
_WIDEST = 28  # of a column before the last: what is longer pushes its own line alone
_MORE = "settings of an axis: selector list AXIS; ranges and source: selector list AXIS/OPTION"


def catalogue_mapping(axis: str = "") -> dict[str, Any]:
    """Everything, or one axis, for programs."""
    axes = catalogue.axes()
    chosen = {axis: axes[axis]} if axis else axes
    return {
        "axes": {
            name: {item: vars(option) for item, option in options.items()}
            for name, options in chosen.items()
        },
        "settings": {
            name: {item: vars(switch) for item, switch in found.items()}
            for name in chosen
            if (found := switches(name))
        },
        "algorithms": trainable() if "optimizer" in chosen else [],
        "studies": {} if axis else catalogue.studies(),
    }


def option_mapping(axis: str, option: str) -> dict[str, Any]:
    """One option, its YAML file included, for programs."""
    found = vars(catalogue.axes()[axis][option])
    return {"axis": axis, "option": option, **found, "yaml": option_text(axis, option)}


def option_text(axis: str, option: str) -> str:
    """The YAML file of one option: sources, settings, ranges."""
    return (conf_folder() / axis / f"{option}.yaml").read_text(encoding="utf-8")


def show_axis(axis: str) -> None:
    """The options of one axis; its settings, or where those of an option are."""
    console = Console(highlight=False)
    options = catalogue.axes()[axis]
    table = _table()
    for name, option in options.items():
        marks = f" [dim]({escape(option.marks)})[/]" if option.marks else ""
        table.add_row(f"[bold]{escape(name)}[/]", f"{escape(option.text)}{marks}")
    console.print(table)
    if axis == "optimizer":
        names = trainable()
        console.print(
            f"\n[bold]library[/]  optimizer=library optimizer.algorithm=NAME: {len(names)}"
            " algorithms of pytorch_optimizer"
        )
        console.print(Padding(", ".join(names), (0, 0, 0, 2)))
    if found := switches(axis):
        console.print(
            f"\n[bold]settings[/]  ({axis}.NAME=VALUE; defaults are those of"
            f" {axis}={default_option(axis)})"
        )
        _show_switches(console, found)
    footer = _footer(options)
    example = next(reversed(options))
    footer.append(
        f"settings, ranges and source of an option: conf/{axis}/OPTION.yaml,"
        f" shown by selector list {axis}/{example}"
    )
    console.print("\n" + "\n".join(map(escape, footer)), soft_wrap=True)


def show_everything() -> None:
    """Studies, known answers and axes in short."""
    console = Console(highlight=False)
    known_answers, axes = catalogue.known_answers(), catalogue.axes()
    console.print("[bold]studies[/]  (selector run STUDY)")
    table = _table()
    for name, text in catalogue.studies().items():
        if name not in known_answers:
            table.add_row(f"  [bold]{escape(name)}[/]", escape(text))
    console.print(table)
    console.print("\n[bold]known answers[/]  (does what others found come out here, too?)")
    console.print(Padding(escape(", ".join(known_answers)), (0, 0, 0, 2)))
    console.print("\n[bold]axes[/]  (selector list AXIS)")
    table = _table()
    for name, options in axes.items():
        words = [item if option.banked else f"{item}*" for item, option in options.items()]
        table.add_row(f"  [bold]{name}[/]", escape(", ".join(words)))
    console.print(table)
    console.print(f"\n* {_UNBANKED}\n{_MORE}", soft_wrap=True)


def _table() -> Table:
    return Table(box=None, pad_edge=False, show_header=False)


def _footer(options: Mapping[str, Option]) -> list[str]:
    second = any(option.tier > 1 for option in options.values())
    unbanked = any(not option.banked for option in options.values())
    return [_TIER_2] * second + [f"trains unbanked: {_UNBANKED}"] * unbanked


def _show_switches(console: Console, found: Mapping[str, Switch]) -> None:
    """A line each, whatever the width of the terminal: name, default, allowed, meaning."""
    rows = [(name, _value(item.default), item.allowed, item.text) for name, item in found.items()]
    widths = [_width([row[place] for row in rows]) for place in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        start = f"  [bold]{escape(cells[0])}[/]  {escape('  '.join(cells[1:]))}"
        console.print(f"{start}  {escape(row[3])}", soft_wrap=True)


def _width(cells: Sequence[str]) -> int:
    return max(len(cell) for cell in cells if len(cell) <= _WIDEST)


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
