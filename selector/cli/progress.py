"""Live progress: a table that is redrawn in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from selector.cli.show import arms_table, duration

if TYPE_CHECKING:
    from selector.study.agenda import Agenda

#: Seconds between lines where output is not a terminal.
_LINE_EVERY = 15.0
#: Seconds after which counting is worth a line, and until the next one.
_COUNT_AFTER = 3.0
_SAFE = "  (Ctrl-C is safe: the same command goes on)"


class Progress:
    """Shows a study's or a run's progress on standard error, so that output stays clean."""

    def __init__(self, *, silent: bool = False) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        self._silent = silent
        self._live: Live | None = None
        self._started = time.monotonic()
        self._study = ""
        self._done_at_start = 0
        self._next = 0.0

    def __enter__(self) -> Self:
        """Begin drawing, where there is a terminal to draw on."""
        if not self._silent and self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture on the screen."""
        if self._live is not None:
            self._live.stop()

    def study(self, agenda: Agenda) -> None:
        """Show where the study stands."""
        now = time.monotonic()
        finished, total = agenda.searches.finished, agenda.searches.total
        if self._study != agenda.study.name:  # the first stage, or a second one after it
            self._study = agenda.study.name
            self._started, self._done_at_start = now, finished
        if self._silent or (now < self._next and finished < total):
            return
        fresh = finished - self._done_at_start
        left = total - finished
        eta = (now - self._started) / fresh * left if fresh else None
        arms = agenda.searches.progress()
        head = f"{agenda.study.name}: {finished} of {total} runs, {agenda.in_flight} running"
        tail = f", about {duration(eta)} left" if eta is not None and left else ""
        if self._live is not None:
            self._next = now + 0.25
            self._live.update(
                Group(arms_table(arms, agenda.study.metric), Text(head + tail + _SAFE)),
                refresh=True,
            )
            return
        self._next = now + _LINE_EVERY
        best = "; ".join(
            f"{arm['name']} {arm['finished']}/{arm['total']}"
            + ("" if arm["best"] is None else f" best {arm['best']:.4f}")
            for arm in arms
        )
        self._console.print(f"{head}{tail}: {best}", soft_wrap=True, markup=False)

    def count(self, done: int, total: int) -> None:
        """Show now and then how many runs are done."""
        now = time.monotonic()
        if not self._silent and now - self._started > _COUNT_AFTER and now >= self._next:
            self._next = now + _COUNT_AFTER
            self._console.print(f"{done} of {total} runs", soft_wrap=True, markup=False)

    def notice(self, text: str) -> None:
        """Say something at once, also where progress is silent."""
        self._console.print(text, soft_wrap=True, markup=False)

    def run(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show what a single run reported."""
        if self._silent:
            return
        words: list[Any] = [
            f"{name} {value:.4g}"
            for name, value in metrics.items()
            if "loss" in name or name == "tokens_per_second"
        ] or [f"{name} {value:.4g}" for name, value in metrics.items()]
        self._console.print(f"step {step}: {', '.join(words)}", soft_wrap=True, markup=False)
