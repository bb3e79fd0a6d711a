"""What a person asks of a running study: it answers clearly, does it, and goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from selector.config.schema import Launch
from selector.launch.base import Finished, Launcher, Started
from selector.study.agenda import Agenda
from selector.study.loop import run_study
from selector.study.requests import ADD, END, PAUSE, RESUME, STOP, Request, Requests, ask, came_of
from selector.track.record import Record
from selector.track.run import Ended, Outcome, Stage
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import MemoryTracker
from tests.report.build import METRIC
from tests.study.replayed import loss, small_study


class Hands(Launcher):
    """Two places; the runs of `held` trials go on until somebody stops them.

    `at_turn` is called with the number of each poll, before what it returns.
    """

    def __init__(self, record, held=(), at_turn=lambda turn: None):
        self.record, self.held, self.at_turn = record, set(held), at_turn
        self.runs, self.turn, self.sent = {}, 0, Counter()
        self.stopped, self.asked, self.began = set(), [], []

    def room(self):
        return 2 - len(self.runs)

    def submit(self, run):
        self.runs[run.key] = run
        self.sent[run.key] += 1
        self.began.append(Started(key=run.key))

    def stop(self, key):
        self.stopped.add(key)
        self.asked.append(key)

    def poll(self, seconds):
        self.turn += 1
        self.at_turn(self.turn)
        assert self.turn < 300, "the study never ends"
        events, self.began = self.began, []
        for key, run in list(self.runs.items()):
            number = self.record.run(key).trial.number
            if key in self.stopped:
                self.stopped.remove(key)
                events.append(Finished(key=key, ended=Ended(outcome=Outcome.STOPPED, steps=3)))
            elif number in self.held:
                continue
            else:
                self.record.report(key, 10, {METRIC: loss(run)})
                events.append(Finished(key=key, ended=Ended(outcome=Outcome.COMPLETE)))
            del self.runs[key]
        return events


def asks(record, request, names):
    """Ask in the third turn."""

    def at_turn(turn):
        if turn == 3:
            names.append(ask(record.store, request))

    return at_turn


def study_with(store, *, held=(), request=None, at_turn=None, **changes):
    record, names = Record(store), []
    place = Hands(record, held, at_turn or asks(record, request, names))
    done = run_study(small_study(**changes), record, place, MemoryTracker())
    answers = [came_of(record, name) for name in names]
    assert store.names("requests") == []
    return done, record, answers, place


def explored(record):
    return list(record.runs(Stage.EXPLORE))


def test_a_stopped_trial_counts_teaches_nothing_and_never_wins():
    request = Request(kind=STOP, trial=2)
    done, record, (answer,), _ = study_with(MemoryStore(), held=[2], request=request)
    assert done
    assert answer["accepted"]
    assert "explore-s" in answer["text"]
    (stopped,) = [item for item in record.runs() if item.trial.number == 2]
    assert (stopped.result.outcome, stopped.result.value) == (Outcome.STOPPED, None)
    assert (stopped.result.told.state, stopped.result.told.value) == ("fail", None)
    counts = Counter((i.trial.arm, i.trial.sub_search) for i in explored(record))
    assert set(counts.values()) == {3}
    assert len(list(record.runs(Stage.VERDICT))) == 8
    again = Record(record.store)  # it stays stopped
    assert run_study(small_study(), again, Hands(again), MemoryTracker())
    assert again.run(stopped.run.key).result.outcome is Outcome.STOPPED


def test_a_paused_trial_holds_its_place_and_no_worker_until_it_is_let_go_on():
    store = MemoryStore()
    done, record, (answer,), place = study_with(
        store, held=[2], request=Request(kind=PAUSE, trial=2)
    )
    assert done
    assert "selector resume" in answer["text"]
    (paused,) = [item for item in record.runs() if item.result is None]
    assert paused.trial.number == 2
    assert place.sent[paused.run.key] == 1
    assert len(explored(record)) == 12  # everything else of the search went on
    end = record.decisions()[-1]
    assert (end["decision"], end["reason"]) == ("end", "paused")
    assert "[2]" in end["text"]

    again = Record(store)  # a restart leaves it paused
    assert run_study(small_study(), again, Hands(again), MemoryTracker())
    assert again.run(paused.run.key).result is None

    agenda = Agenda(small_study(), Record(store))  # no controller: the command decides itself
    name = ask(store, Request(kind=RESUME, trial=2))
    agenda.next()
    Requests(agenda).take()
    assert came_of(agenda.record, name)["accepted"]
    last = Record(store)
    assert run_study(small_study(), last, Hands(last), MemoryTracker())
    assert last.run(paused.run.key).result.outcome is Outcome.COMPLETE
    assert len(list(last.runs(Stage.VERDICT))) == 8


def test_a_paused_trial_is_let_go_on_in_the_same_command():
    record = Record(MemoryStore())
    names = []

    def at_turn(turn):
        wishes = {3: PAUSE, 4: RESUME, 6: PAUSE, 7: RESUME}
        if turn in wishes:
            names.append(ask(record.store, Request(kind=wishes[turn], trial=2)))
        if turn == 8:
            place.held.clear()

    place = Hands(record, [2], at_turn)
    assert run_study(small_study(), record, place, MemoryTracker())
    assert all(came_of(record, name)["accepted"] for name in names)
    assert {item.result.outcome for item in record.runs()} == {Outcome.COMPLETE}
    assert max(place.sent.values()) == 3


def test_a_stop_that_comes_too_late_still_keeps_the_trial_from_winning():
    record = Record(MemoryStore())
    names = []

    def at_turn(turn):
        if turn == 2:
            names.append(ask(record.store, Request(kind=STOP, trial=4)))
            place.held.add(4)
        if turn == 3:
            place.held.clear()
            place.stopped.clear()  # it does not listen, and completes

    place = Hands(record, [3, 4], at_turn)
    assert run_study(small_study(), record, place, MemoryTracker())
    assert came_of(record, names[0])["accepted"]
    (late,) = [item.result for item in record.runs() if item.trial.number == 4]
    assert (late.outcome, late.value) == (Outcome.STOPPED, None)
    assert late.metrics[METRIC] > 0  # what it reported is kept


@pytest.mark.parametrize("often", [0.0, 1e-9, 60.0])
def test_long_runs_may_leave_a_checkpoint_before_the_end(often):
    record = Record(MemoryStore())
    launch = Launch(checkpoint_seconds=often)
    study = replace(small_study(), launcher=launch)
    place = Hands(record, [1, 2])
    assert not run_study(study, record, place, MemoryTracker(), interrupted=lambda: place.turn >= 2)
    assert len(place.asked) == (2 if often == 1e-9 else 0)
    assert not any(item.result for item in record.runs())  # cut off is not over
    again = Record(record.store)
    assert run_study(study, again, Hands(again), MemoryTracker())
    assert {item.result.outcome for item in again.runs()} == {Outcome.COMPLETE}
    assert len(list(again.runs())) == 20


def test_a_study_is_asked_to_end_and_goes_on():
    store = MemoryStore()
    done, record, (answer,), _ = study_with(store, request=Request(kind=END))
    assert not done
    assert answer["accepted"]
    assert all(item.result is None or item.result.value for item in record.runs())
    again = Record(store)
    assert run_study(small_study(), again, Hands(again), MemoryTracker())
    assert Counter(item.run.stage for item in again.runs()) == {"explore": 12, "verdict": 8}


def test_requests_that_cannot_be_are_answered_and_hurt_nothing():
    record, names = Record(MemoryStore()), {}

    def at_turn(turn):
        if turn == 3:
            store = record.store
            names["unknown"] = ask(store, Request(kind=STOP, trial=99))
            names["over"] = ask(store, Request(kind=STOP, trial=1))
            names["not paused"] = ask(store, Request(kind=RESUME, trial=1))
            names["no arm"] = ask(store, Request(kind=ADD, given={"optimizer.lr": 1e-3}))
            names["mistakes"] = ask(
                store, Request(kind=ADD, given={"arm": "adamw", "optimizer.lr": 7.0, "x": 1})
            )
            for name, text in {"0": "{", "1": "[]", "2": '{"format": 1}', "3": "\0"}.items():
                store.write(f"requests/{name}.json", text)
                names[name] = name

    place = Hands(record, (), at_turn)
    assert run_study(small_study(), record, place, MemoryTracker())
    found = {key: came_of(record, name) for key, name in names.items()}
    assert not any(item["accepted"] for item in found.values())
    assert "there is no trial 99" in found["unknown"]["text"]
    assert "trial 1 has no run that is going or waits" in found["over"]["text"]
    assert "not paused" in found["not paused"]["text"]
    assert "expected arm=NAME, one of adamw, muon" in found["no arm"]["text"]
    assert "unknown tuned key 'x'" in found["mistakes"]["text"]
    assert "optimizer.lr: expected" in found["mistakes"]["text"]
    assert all("not a request" in found[name]["text"] for name in "0123")
    assert record.store.names("requests") == []


def test_a_folder_among_the_requests_is_left_alone(tmp_path):
    (tmp_path / "requests" / "odd").mkdir(parents=True)
    record = Record(FolderStore(tmp_path))
    assert run_study(small_study(), record, Hands(record), MemoryTracker())


@pytest.mark.parametrize("stop_after", [None, 1, 4])
def test_an_added_trial_takes_the_place_of_the_samplers_next(stop_after):
    store = MemoryStore()
    record = Record(store)
    given = {"arm": "muon", "optimizer.lr": 0.007}
    agenda = Agenda(small_study(), record)
    name = ask(store, Request(kind=ADD, given=given))
    Requests(agenda).take()
    answer = came_of(record, name)
    assert answer["accepted"], answer["text"]
    assert (answer["arm"], answer["sub_search"], answer["index"]) == ("muon", 0, 0)
    turns = Counter()

    def interrupted():
        turns["n"] += 1
        return stop_after is not None and turns["n"] > stop_after

    run_study(small_study(), record, Hands(record), MemoryTracker(), interrupted=interrupted)
    last = Record(store)
    assert run_study(small_study(), last, Hands(last), MemoryTracker())
    (added,) = [trial for trial in last.trials.values() if trial.given]
    assert (added.arm, added.sub_search, added.index) == ("muon", 0, 0)
    assert added.config.optimizer["lr"] == added.values["optimizer.lr"] == 0.007
    counts = Counter((trial.arm, trial.sub_search) for trial in last.trials.values())
    assert set(counts.values()) == {3}
    texts = [text for file, text in store.files.items() if file.endswith("trial.yaml")]
    assert sum("given: hand" in text for text in texts) == 1


def test_without_room_an_added_trial_waits_for_it():
    store = MemoryStore()
    record = Record(store)
    run_study(small_study(), record, Hands(record), MemoryTracker())
    agenda = Agenda(small_study(), record)
    names = [ask(store, Request(kind=ADD, given={"arm": "muon"})) for _ in range(2)]
    Requests(agenda).take()
    first, second = (came_of(record, name) for name in names)
    assert "budget.trials=4` makes room" in first["text"]
    assert (first["sub_search"], second["sub_search"]) == (0, 1)
    assert run_study(small_study(), record, Hands(record), MemoryTracker())
    assert not any(trial.given for trial in record.trials.values())
    last = Record(store)
    assert run_study(small_study(trials=4), last, Hands(last), MemoryTracker())
    assert [trial.index for trial in last.trials.values() if trial.given] == [3, 3]


def test_what_tunes_nothing_takes_no_trials():
    from tests.report.build import Surface, study

    record = Record(MemoryStore())
    agenda = Agenda(study([Surface(tuned=False)]), record)
    name = ask(record.store, Request(kind=ADD, given={}))
    Requests(agenda).take()
    assert "tunes nothing" in came_of(record, name)["text"]
