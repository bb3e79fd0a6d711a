"""Tells people when a study ends, stalls or fails; nobody, unless its `notify:` names a way.

Nothing here may delay or end a study: messages go out from a thread of their own, and one that is
not delivered is told at the end.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Literal

from selector.config.question import Notify
from selector.config.secrets import redacted
from selector.launch.base import Event
from selector.study.agenda import Agenda
from selector.study.decisions import now
from selector.study.delivery import Way, ways

State = Literal["ended", "stalled", "failed"]
FORMAT = 1
#: A command may take 20 seconds, a webhook that is away 11.
_SECONDS_AT_THE_END = 25.0
_LONGEST_SENTENCE = 2000


class Notifier:
    """One command's notifications, from the start of its study to `close`.

    Args:
        study: The study's name.
        settings: What it asks for.
        clock: Seconds, not affected by changes of the clock on the wall.
        found: The ways to tell people; None: those that the settings name.

    Raises:
        ConfigError: what the settings name is not here.
    """

    def __init__(
        self,
        study: str,
        settings: Notify,
        *,
        clock: Callable[[], float] = time.monotonic,
        found: Sequence[Way] | None = None,
    ) -> None:
        self._study = study
        self._ways = ways(settings) if found is None else list(found)
        self._patience = 60 * settings.stalled_minutes
        self._clock = clock
        self._progress: float | None = None
        """When a run last got on; None before the first turn, or while a stall is known."""
        self._agenda: Agenda | None = None
        self._waiting: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failures: list[str] = []

    def turn(self, agenda: Agenda, events: Sequence[Event]) -> None:
        """Note a turn of the study's loop: a stall is told once, and again after a next one."""
        if events or self._agenda is not agenda:
            self._agenda, self._progress = agenda, self._clock()
        elif self._progress is None or not self._patience:
            return
        elif self._clock() - self._progress >= self._patience:
            self._progress = None
            minutes = self._patience / 60
            self.tell("stalled", f"No run has reported anything for {minutes:g} minutes.")

    def tell(self, state: State, sentence: str, report: str = "") -> None:
        """Send a message on its way; returns at once.

        Args:
            state: What became of the study.
            sentence: The answer, or what happened.
            report: Where the report lies.
        """
        if not self._ways:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._deliver, name="notify", daemon=True)
            self._thread.start()
        self._waiting.put(self._message(state, sentence, report))

    def close(self, seconds: float = _SECONDS_AT_THE_END) -> str:
        """Wait for what is on its way, at most `seconds`; returns what a person should know."""
        if self._thread is None:
            return ""
        self._waiting.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._failures.append(f"not everything went out within {seconds:g} s")
        return f"Not everybody was told: {'; '.join(self._failures)}." if self._failures else ""

    def _deliver(self) -> None:
        while (message := self._waiting.get()) is not None:
            for way in self._ways:
                try:
                    failure = way.deliver(message)
                except Exception as error:  # noqa: BLE001 - a study does not fail for a message
                    failure = type(error).__name__
                if failure:
                    text = f"{way.name} did not take {message['state']!r}: {failure}"
                    self._failures.append(redacted(text))

    def _message(self, state: State, sentence: str, report: str) -> dict[str, Any]:
        name, finished, total = self._study, None, None
        failures: Counter[str] = Counter()
        if self._agenda is not None:
            name, searches = self._agenda.study.name, self._agenda.searches
            finished, total = searches.finished, searches.total
            for arm in searches.progress():
                failures.update(arm["failures"])
        host = socket.gethostname()
        sentence = redacted(sentence).strip()[:_LONGEST_SENTENCE]
        return {
            "format": FORMAT,
            "study": name,
            "state": state,
            "sentence": sentence,
            "finished": finished,
            "total": total,
            "failures": dict(failures),
            "report": report,
            "host": host,
            "at": now(),
            "text": f"{name} {state} on {host}: {sentence}",  # what chat programs show
        }
