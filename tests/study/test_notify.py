from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import selector
from selector.config.question import Notify
from selector.errors import ConfigError, RunFailed
from selector.launch.base import Started
from selector.study.agenda import Agenda
from selector.study.conduct import read_study
from selector.study.delivery import Way
from selector.study.loop import run_study
from selector.study.notify import Notifier
from selector.track.record import Record
from selector.track.run import Outcome
from selector.track.seal import sealed
from selector.track.store import MemoryStore
from selector.track.tracker import MemoryTracker
from tests.cli.conftest import FUNCTION, OBJECTIVE, STUDY
from tests.study.replayed import launcher, small_study


class Heard(Way):
    name = "the test"

    def __init__(self, failure: str = "", gate: threading.Event | None = None) -> None:
        self.messages: list[Mapping[str, Any]] = []
        self._failure, self._gate = failure, gate

    def deliver(self, message: Mapping[str, Any]) -> str:
        if self._gate is not None:
            self._gate.wait(10)
        self.messages.append(message)
        if self._failure == "raise":
            raise ValueError("the library's own words")
        return self._failure


def notifier(way: Way, minutes: float = 30.0, now: list[float] | None = None) -> Notifier:
    settings = Notify(stalled_minutes=minutes)
    clock = time.monotonic if now is None else (lambda: now[0])
    return Notifier("x", settings, clock=clock, found=[way])


def test_a_stall_is_told_once_and_again_after_progress() -> None:
    now, heard = [0.0], Heard()
    found = notifier(heard, 30, now)
    agenda = Agenda(small_study(), Record(MemoryStore()))
    turns = [
        (0, ()), (1799, ()), (1800, ()), (9000, ()), (9001, (Started(key="a"),)),
        (10800, ()), (10801, ()), (99999, ()),
    ]  # fmt: skip
    for seconds, events in turns:
        now[0] = seconds
        found.turn(agenda, events)
    assert found.close() == ""
    assert [item["state"] for item in heard.messages] == ["stalled", "stalled"]
    message = heard.messages[0]
    assert message["sentence"] == "No run has reported anything for 30 minutes."
    assert (message["study"], message["finished"], message["total"]) == ("optimizers", 0, 20)


def test_zero_minutes_never_stall() -> None:
    now, heard = [0.0], Heard()
    found = notifier(heard, 0, now)
    agenda = Agenda(small_study(), Record(MemoryStore()))
    for now[0] in (0.0, 1e9):
        found.turn(agenda, ())
    found.close()
    assert heard.messages == []


def test_the_loop_shows_every_turn_and_failures_are_counted() -> None:
    heard = Heard()
    found = notifier(heard)
    place = launcher(lambda run: Outcome.DIVERGED if run.seed % 2 else Outcome.COMPLETE)
    run_study(small_study(), Record(MemoryStore()), place, MemoryTracker(), on_turn=found.turn)
    found.tell("ended", "Train with muon.", "/r/index.html")
    assert found.close() == ""
    message = heard.messages[0]
    assert message["finished"] == message["total"]
    assert message["failures"]["diverged"] > 0
    assert message["text"].startswith("optimizers ended on ")
    assert json.loads(json.dumps(message)) == message


@pytest.mark.parametrize("failure", ["it answered 404", "raise"])
def test_a_failure_is_only_noted(failure: str) -> None:
    found = notifier(Heard(failure))
    found.tell("ended", "x")
    expected = "ValueError" if failure == "raise" else failure
    assert found.close() == f"Not everybody was told: the test did not take 'ended': {expected}."


def test_nothing_waits_for_a_way_that_hangs() -> None:
    gate = threading.Event()
    found = notifier(Heard(gate=gate))
    begin = time.monotonic()
    for _ in range(1000):
        found.tell("stalled", "x")
    assert time.monotonic() - begin < 5
    assert "not everything went out within 0.05 s" in found.close(0.05)
    gate.set()


def test_a_secret_in_the_sentence_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    heard = Heard()
    found = notifier(heard)
    found.tell("failed", "401 for hunter2hunter2 at http://me:hunter2@host")
    found.close()
    assert "hunter2" not in json.dumps(heard.messages)


def test_without_a_way_there_is_no_thread() -> None:
    before = threading.active_count()
    found = Notifier("x", Notify())
    found.tell("ended", "x")
    assert threading.active_count() == before
    assert found.close() == ""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "objective").mkdir()
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "objective" / "mine.yaml").write_text(OBJECTIVE)
    (tmp_path / "mine.py").write_text(FUNCTION)
    (tmp_path / "told.sh").write_text("#!/bin/sh\ncat >> told.jsonl\necho >> told.jsonl\n")
    (tmp_path / "told.sh").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    yield tmp_path
    sys.modules.pop("mine", None)


def told(place: Path) -> list[dict[str, Any]]:
    file = place / "told.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_study_tells_its_end_and_stores_no_command(place: Path) -> None:
    own = ["launcher=inline", "budget.replicates=1", "budget.trials=2"]
    command = "notify.command=[./told.sh]"
    selector.run("./study.yaml", [*own, command])
    message = told(place)[0]
    assert (message["state"], message["study"]) == ("ended", "mine")
    assert message["finished"] == message["total"]
    assert Path(message["report"]).is_file()
    stored = (place / "runs" / "mine" / "study.yaml").read_text()
    assert "told.sh" not in stored
    selector.run("mine", own)  # goes on with what is stored, without the command
    assert len(told(place)) == 1


def test_a_study_that_fails_or_ends_at_a_limit_tells_it(place: Path) -> None:
    own = ["launcher=inline", "notify.command=[./told.sh]"]
    selector.run("./study.yaml", [*own, "budget.hours=1e-9", "name=short"])
    sys.modules.pop("mine", None)
    (place / "mine.py").write_text("def train(config, run):\n    raise KeyError('a bug')\n")
    with pytest.raises(RunFailed):
        selector.run("./study.yaml", [*own, "name=broken"])
    short, broken = told(place)
    assert (short["study"], short["state"]) == ("short", "stalled")
    assert "budget.hours=1e-09" in short["sentence"]
    assert (broken["study"], broken["state"]) == ("broken", "failed")
    assert "a bug" in broken["sentence"]
    assert broken["failures"] == {"crashed": 3}


def test_no_file_names_a_program(place: Path) -> None:
    """Neither a study that was sent to you, nor one it inherits from, nor what is stored."""
    (place / "sent.yaml").write_text(STUDY + "notify: {command: [touch, marker]}\n")
    (place / "heir.yaml").write_text("defaults: [sent, _self_]\nname: heir\n")
    for file in ("./sent.yaml", "./heir.yaml"):
        with pytest.raises(ConfigError, match="a file never names a program to run"):
            read_study(file, [], place / "runs")
    with pytest.raises(ConfigError, match="give its keys one by one"):
        read_study("./study.yaml", ["notify={command: [touch, marker]}"], place / "runs")
    own = ["launcher=inline", "budget.replicates=1", "budget.trials=2"]
    selector.run("./study.yaml", own)
    stored = place / "runs" / "mine" / "study.yaml"
    mapping = yaml.safe_load(stored.read_text())
    mapping["asked"].append("notify.command=[touch,marker]")
    mapping["notify"]["command"] = ["touch", "marker"]
    del mapping["check"]  # one who can write here can make it fit
    stored.write_text(sealed("study.yaml", yaml.safe_dump(mapping)))
    assert read_study("mine", [], place / "runs").notify.command == ()
    selector.run("mine", [])
    assert not (place / "marker").exists()
