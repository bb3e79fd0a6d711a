"""What `selector doctor` found, for programs and for people."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from selector.cli.show import counted

if TYPE_CHECKING:
    from selector.launch.checkup import Finding

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]care[/]", "missing": "[dim]--[/]"}
_MARKS["broken"] = "[bold red]broken[/]"


def doctor_mapping(findings: list[Finding]) -> dict[str, Any]:
    """The findings for programs."""
    return {
        "healthy": not any(finding.state == "broken" for finding in findings),
        "findings": [dict(vars(finding)) for finding in findings],
    }


def show_doctor(findings: list[Finding]) -> None:
    """The findings for people: aligned, group by group, then one sentence."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.group, []).append(finding)
    for group, members in groups.items():
        table.add_row(f"[bold]{escape(group)}[/]", "", "")
        for name, same in groupby(members, key=lambda finding: finding.name):
            for place, finding in enumerate(same):
                text = escape(finding.text)
                if finding.remedy:
                    text += f"\n[bold]{escape(finding.remedy)}[/]"
                table.add_row("" if place else f"  {escape(name)}", _MARKS[finding.state], text)
    console.print(table)
    console.print(f"\n{_sentence(findings)}")


def _sentence(findings: list[Finding]) -> str:
    count = {state: sum(item.state == state for item in findings) for state in _MARKS}
    if count["broken"]:
        things = counted(count["broken"], "thing")
        return f"{things} that every study needs {'is' if count['broken'] == 1 else 'are'} broken."
    care = f"; {counted(count['warning'], 'thing')} to take care of" if count["warning"] else ""
    return f"Everything a study needs works{care}."
