"""Stepping in by hand: `selector stop`, `selector resume`, `selector add`."""

from __future__ import annotations

import argparse
import re
import time
from typing import Any

from selector.cli import commands
from selector.config.technique import Scalar, Value
from selector.errors import ConfigError, SelectorError, StudyError

#: Seconds that a controller gets to take a request; its turns are half a second.
_WAIT, _LOOK = 10.0, 0.1
_WORDS: dict[str, Scalar] = {"true": True, "false": False}


def stop(asked: argparse.Namespace) -> int:
    """End a running study as Ctrl-C would, or stop or pause one of its trials."""
    from selector.study.requests import END, PAUSE, STOP, Request

    if asked.trial is None and asked.pause:
        raise ConfigError(
            "--pause: expected --trial N with it; without, a study ends and can go on"
        )
    if asked.trial is None:
        return _request(asked, Request(kind=END))
    return _request(asked, Request(kind=PAUSE if asked.pause else STOP, trial=asked.trial))


def resume(asked: argparse.Namespace) -> int:
    """Let a paused trial go on, where it was."""
    from selector.study.requests import RESUME, Request

    return _request(asked, Request(kind=RESUME, trial=asked.trial))


def add(asked: argparse.Namespace) -> int:
    """Give the next trial of an arm values by hand; keys left out keep the arm's defaults."""
    from selector.study.requests import ADD, Request

    given: dict[str, Value] = {}
    mistakes = []
    for text in asked.values:
        key, sign, value = text.partition("=")
        if not key or not sign or not value:
            mistakes.append(f"{text!r}: expected KEY=VALUE")
        elif key in given:
            mistakes.append(f"{key}: is given twice")
        else:
            given[key] = _value(value)
    if mistakes:
        raise ConfigError(mistakes)
    return _request(asked, Request(kind=ADD, given=given))


def describe_stop(parser: argparse.ArgumentParser) -> None:
    """The arguments of `selector stop`."""
    parser.add_argument("study", metavar="STUDY", help="a stored study")
    parser.add_argument("--trial", type=int, metavar="N", help="this trial's run, not the study")
    parser.add_argument("--pause", action="store_true", help="until `selector resume`")


def describe_resume(parser: argparse.ArgumentParser) -> None:
    """The arguments of `selector resume`."""
    parser.add_argument("study", metavar="STUDY", help="a stored study")
    parser.add_argument("--trial", type=int, metavar="N", required=True, help="the paused trial")


def describe_add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `selector add`."""
    parser.add_argument("study", metavar="STUDY", help="a stored study")
    parser.add_argument(
        "values",
        nargs="+",
        metavar="KEY=VALUE",
        help="arm=NAME, or what is compared, and values of tuned keys",
    )


def _request(asked: argparse.Namespace, request: Any) -> int:
    """Ask the controller, or decide in its place; print what came of it."""
    from selector.study.requests import END, ask, came_of, withdraw
    from selector.study.stored import open_study
    from selector.track.lock import is_locked

    stored = open_study(commands.stored_name(asked.study), asked.runs)
    store = stored.record.store
    name, deadline, what = ask(store, request), time.monotonic() + _WAIT, None
    while what is None and time.monotonic() < deadline:
        if not is_locked(stored.folder):
            _decide_here(stored)
        what = came_of(stored.record, name)
        if what is None:
            time.sleep(_LOOK)
    if what is None:
        if request.kind == END:
            withdraw(store, name)
            raise SelectorError(f"{stored.folder}: did not answer in {_WAIT:g} s; send it Ctrl-C")
        text = f"asked; {stored.study.name} has not answered in {_WAIT:g} s and will when it can"
        what = {"accepted": None, "text": text}
    if what["accepted"] is False:
        raise StudyError(what["text"].split("\n"))
    while request.kind == END and is_locked(stored.folder) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    if asked.json:
        shown = {key: what.get(key) for key in ("accepted", "text")}
        return commands.print_json({"study": stored.study.name, "request": request.kind, **shown})
    print(what["text"])
    return 0


def _decide_here(stored: Any) -> None:
    """Take the requests as the controller would."""
    from selector.study.agenda import Agenda
    from selector.study.requests import Requests
    from selector.track.lock import is_locked, study_lock
    from selector.track.record import Record

    try:
        with study_lock(stored.folder):
            Requests(Agenda(stored.study, Record(stored.record.store))).take()
    except StudyError:
        if not is_locked(stored.folder):  # else a controller has just started, and takes them
            raise


def _value(text: str) -> Value:
    """A number, true, false, a list of them in brackets, or the text itself."""
    if re.fullmatch(r"\[.*\]", text):
        return tuple(_scalar(item.strip()) for item in text[1:-1].split(",") if item.strip())
    return _scalar(text)


def _scalar(text: str) -> Scalar:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
