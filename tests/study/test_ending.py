"""What ends a study before everything has run: the same crash again, and trials that all fail."""

from __future__ import annotations

from collections import Counter

import pytest

from selector.errors import RunFailed
from selector.launch.inline import InlineLauncher
from selector.launch.runner import Runner
from selector.study.ending import crash_of
from selector.study.loop import run_study
from selector.track.record import Record
from selector.track.run import Outcome, Result
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import MemoryTracker
from tests.study.replayed import launcher, small_study


class Broken(Runner):
    """Raises a message that is never the same twice, at one line or at two."""

    def __init__(self, places=1):
        self.calls, self.places = 0, places

    def run(self, runs, reporter, device):
        self.calls += 1
        if self.calls % self.places:
            raise ValueError(f"tensor of {self.calls} at {id(self):#x} in /tmp/{self.calls}")
        raise ValueError("elsewhere")


def run(record, place, **changes):
    study = small_study(**changes)
    return run_study(study, record, place, MemoryTracker())


def end(record):
    return [item for item in record.decisions() if item["decision"] == "end"]


def test_a_bug_stops_the_study_with_its_place_whatever_its_messages_say():
    record, broken = Record(MemoryStore()), Broken()
    with pytest.raises(
        RunFailed, match=r"3 runs crashed with the same error at .*test_ending"
    ) as e:
        run(record, InlineLauncher(runner_for=lambda run: broken))
    assert "mend it and run the study again" in str(e.value)
    assert broken.calls == 3
    (stored,) = end(record)
    assert (stored["reason"], stored["over"]) == ("crashes", 3)
    for item in record.runs():
        if item.result:
            assert item.result.facts["exception"] == "ValueError"
            assert item.result.facts["place"].rpartition(":")[0] == __file__


def test_a_restart_needs_one_more_such_crash_and_a_mended_program_none(tmp_path):
    broken = Broken()
    with pytest.raises(RunFailed):
        run(Record(FolderStore(tmp_path)), InlineLauncher(runner_for=lambda run: broken))
    with pytest.raises(RunFailed):
        run(Record(FolderStore(tmp_path)), InlineLauncher(runner_for=lambda run: broken))
    assert broken.calls == 4
    mended = Record(FolderStore(tmp_path))
    assert run(mended, launcher())
    assert {item.result.outcome for item in mended.runs()} == {Outcome.COMPLETE}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("KeyError: 'x7' at 0x7f2a", "KeyError: 'x8' at 0x9b"),
        ("OSError: /tmp/a/b.txt: gone", "OSError: /tmp/c.txt: gone"),
        ("ValueError: loss -1.5e-3", "ValueError: loss 27"),
    ],
)
def test_messages_of_one_fault_are_alike(first, second):
    def crashed(error):
        return Result(
            outcome=Outcome.CRASHED, value=None, metrics={}, steps=0, seconds=0, facts={},
            error=f"Traceback …\n{error}",
        )  # fmt: skip

    assert crash_of(crashed(first)) == crash_of(crashed(second))
    assert crash_of(crashed(first)) != crash_of(crashed("TypeError: other"))


def test_a_study_in_which_nearly_everything_fails_stops_and_can_go_on(tmp_path):
    def outcome(run):
        return Outcome.DIVERGED if run.config.optimizer["lr"] > 1e-9 else Outcome.COMPLETE

    with pytest.raises(RunFailed, match=r"8 of 8 trials failed \(8 diverged\)") as error:
        run(Record(FolderStore(tmp_path)), launcher(outcome))
    assert "budget.max_failed_share=1" in str(error.value)
    record = Record(FolderStore(tmp_path))
    assert end(record)[0]["reason"] == "failures"
    assert run(record, launcher(outcome), max_failed_share=1.0)
    assert Counter(item.result.outcome for item in record.runs()) == {Outcome.DIVERGED: 12}


def test_one_arm_that_fails_does_not_stop_the_others():
    record = Record(MemoryStore())

    def outcome(run):
        fails = run.config.optimizer.name == "muon" or run.seed % 2
        return Outcome.OUT_OF_MEMORY if fails else Outcome.COMPLETE

    assert run(record, launcher(outcome), trials=8)
    assert not end(record)
