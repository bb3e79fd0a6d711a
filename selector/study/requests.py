"""What a person asks of a study by hand: end it, stop, pause or let go on a trial, add a trial.

A request is a whole file in runs/STUDY/requests/ that the running controller takes at its next
turn; without one, the command that asks holds the lock and takes it itself. Either way it is stored
as a decision, with its answer, before anything comes of it. No request can end a study by mistake.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from os import getpid
from typing import Any

from selector.config.technique import Value
from selector.errors import InputError, StudyError
from selector.launch.base import Launcher
from selector.study.agenda import Agenda
from selector.study.by_hand import given_values
from selector.track.record import FORMAT, Record
from selector.track.store import Store

FOLDER = "requests"
DECISION = "request"
END, STOP, PAUSE, RESUME, ADD = "end", "stop", "pause", "resume", "add"
_COUNT = count()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One wish; `kind` is end (of the study), stop, pause, resume (of a trial), or add."""

    kind: str
    trial: int = 0
    given: Mapping[str, Value] = field(default_factory=dict)
    """Of an added trial: what names its arm, and values of tuned keys."""


def ask(store: Store, request: Request) -> str:
    """Leave a request where the controller looks; returns its name."""
    name = f"{time.time_ns():020d}-{getpid()}-{next(_COUNT)}"
    content = {"format": FORMAT, **vars(request)}
    store.write(f"{FOLDER}/{name}.json", json.dumps(content) + "\n")
    return name


def withdraw(store: Store, name: str) -> None:
    """Take a request back."""
    store.remove(f"{FOLDER}/{name}.json")


def came_of(record: Record, name: str) -> dict[str, Any] | None:
    """What was decided about a request: {accepted, text, …}; None where it was not taken yet."""
    taken = (item for item in record.decisions() if item["decision"] == DECISION)
    return next((item for item in taken if item["name"] == name), None)


class Requests:
    """Takes the requests of one study; `launcher`: where its runs are, if it is being run."""

    def __init__(self, agenda: Agenda, launcher: Launcher | None = None) -> None:
        self._agenda, self._launcher = agenda, launcher
        self._began = time.time_ns()
        self._known = {
            item["name"] for item in agenda.record.decisions() if item["decision"] == DECISION
        }
        self.end = False
        """Whether the study was asked to end."""

    def take(self) -> None:
        """Take what is there, in the order asked."""
        store = self._agenda.record.store
        for file in store.names(FOLDER):
            name = file.removesuffix(".json")
            path = f"{FOLDER}/{file}"
            try:
                if name not in self._known:
                    self._known.add(name)
                    self._decide(name, store.read(path))
                store.remove(path)
            except StudyError:  # a folder, or a file that is not ours to remove: it stays
                continue

    def _decide(self, name: str, text: str | None) -> None:
        what: dict[str, Any] = {"name": name, "accepted": False}
        try:
            request = _read(text)
            what |= {"kind": request.kind, "trial": request.trial}
            what |= {"accepted": True, **self._grant(name, request)}
        except InputError as error:
            what |= {"accepted": False, "text": "\n".join(error.mistakes)}
        self._agenda.decide(DECISION, what)
        if what["accepted"]:
            self._do(what)

    def _grant(self, name: str, request: Request) -> dict[str, Any]:
        """What is decided, with its answer in words.

        Raises:
            InputError: it cannot be; nothing has changed.
        """
        agenda = self._agenda
        if request.kind == END:
            if self._launcher is None or not name[:20].isdigit() or int(name[:20]) < self._began:
                raise StudyError(f"{agenda.study.name}: is not running; there is nothing to end")
            again = f"`selector run {agenda.study.name}` goes on"
            return {"text": f"{agenda.study.name}: ends now; {again}"}
        if request.kind == ADD:
            return given_values(agenda, request.given)
        number = request.trial
        if number not in agenda.record.trials:
            last = max(agenda.record.trials, default=0)
            raise StudyError(f"--trial: there is no trial {number}; there are 1 to {last}")
        paused, runs = agenda.paused_of(number), agenda.open_runs(number)
        if request.kind == RESUME:
            if not paused:
                raise StudyError(f"--trial: trial {number} is not paused")
            return {"text": f"trial {number}: goes on when there is a free worker", "runs": paused}
        if request.kind == PAUSE and paused:
            raise StudyError(f"--trial: trial {number} is paused already")
        if not runs:
            raise StudyError(f"--trial: trial {number} has no run that is going or waits")
        does = "is paused" if request.kind == PAUSE else "is stopped and tells the search nothing"
        text = f"trial {number}: {', '.join(run.rpartition('/')[2] for run in runs)} {does}"
        if request.kind == PAUSE:
            text += f"; `selector resume {agenda.study.name} --trial {number}` lets it go on"
        return {"text": text, "runs": runs}

    def _do(self, what: Mapping[str, Any]) -> None:
        if what["kind"] == END:
            self.end = True
        elif what["kind"] == ADD:
            self._agenda.proposals.give(what)
        else:
            self._agenda.halts.take(what)
            for key in self._agenda.settle_halted():
                if self._launcher is not None:
                    self._launcher.stop(key)


def _read(text: str | None) -> Request:
    """The request in a file.

    Raises:
        InputError: it holds something else.
    """
    try:
        mapping = json.loads(text or "")
        kind, trial, given = mapping["kind"], mapping["trial"], mapping["given"]
        shaped = mapping["format"] == FORMAT and type(trial) is int and isinstance(given, dict)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{FOLDER}: not a request: {error!r}") from error
    if not shaped or kind not in (END, STOP, PAUSE, RESUME, ADD):
        raise InputError(f"{FOLDER}: not a request: kind {kind!r}, trial {trial!r}")
    return Request(kind=kind, trial=trial, given=given)
