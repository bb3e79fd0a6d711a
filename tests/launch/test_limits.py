"""Runs that hang or take too much are ended, whatever they do; nothing of them lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from selector.config.schema import Launch
from selector.errors import LaunchError
from selector.launch import handle, limits, processes
from selector.launch.base import Event, Finished, Reported
from selector.launch.limits import GRACE, Limits, Watchdog
from selector.launch.local import LocalLauncher
from selector.track.run import Outcome
from tests.contracts.launcher import drain, ended
from tests.launch.examples import function_run
from tests.launch.test_local import alive, processes_of, wait_for

pytestmark = pytest.mark.timeout(60)
SLACK = 6.0  # seconds: these machines are busy


@pytest.fixture(scope="module")
def strict() -> Iterator[LocalLauncher]:
    """One launcher for the tests that need no other limits."""
    with LocalLauncher(2, limits=Limits(run_seconds=2.0, silent_seconds=0.7)) as launcher:
        launcher.room()  # waits for its start, so that no test measures it
        yield launcher


@pytest.mark.parametrize(
    ("function", "text", "seconds"),
    [
        ("spins", "silent_seconds=0.7 allows; the last step seen was 7", 0.7),
        pytest.param("holds_the_interpreter", "silent_seconds", 0.7, marks=pytest.mark.slow),
        pytest.param("is_stopped", "silent_seconds=0.7", 0.7, marks=pytest.mark.slow),
        pytest.param("until_stopped", "run_seconds=2", 2.0, marks=pytest.mark.slow),
        pytest.param("ignores_termination", "silent_seconds=0.7", 0.7, marks=pytest.mark.slow),
    ],
)
def test_a_run_beyond_its_limit_is_ended_and_another_runs_on(
    strict: LocalLauncher, tmp_path: Path, function: str, text: str, seconds: float
) -> None:
    strict.submit(function_run("hangs", function, tmp_path / "hangs"))
    strict.submit(function_run("other", "asks_only", seconds=1.5))
    begin = time.monotonic()
    events: list[Event] = []
    while not any(isinstance(event, Finished) and event.key == "hangs" for event in events):
        events += strict.poll(5.0)
    assert time.monotonic() - begin < seconds + GRACE + SLACK
    end = ended(events, "hangs")
    assert end.outcome is Outcome.TIMEOUT
    assert text in end.error
    assert end.seconds >= seconds
    if not any(isinstance(event, Finished) and event.key == "other" for event in events):
        events += drain(strict, {"other"})
    assert ended(events, "other").outcome is Outcome.COMPLETE
    strict.submit(function_run("next", "slow_start", seconds=0.0))
    assert ended(drain(strict, {"next"}), "next").outcome is Outcome.COMPLETE


def test_one_that_blocks_all_signals_is_gone_with_its_children(
    strict: LocalLauncher, tmp_path: Path
) -> None:
    strict.submit(function_run("blocks", "ignores_termination", tmp_path))
    begin = time.monotonic()
    events: list[Event] = []
    while not any(isinstance(event, Finished) for event in events):
        events += strict.poll(50.0)  # nothing else wakes it: limits are kept all the same
    assert time.monotonic() - begin < 0.7 + GRACE + SLACK
    assert ended(events, "blocks").outcome is Outcome.TIMEOUT
    worker, forkserver, child = processes_of(tmp_path)
    wait_for(lambda: not alive(worker) and not alive(child), SLACK)
    assert alive(forkserver)


@pytest.mark.slow
def test_a_run_that_ends_in_time_after_all_keeps_its_result_and_not_its_worker(
    strict: LocalLauncher,
) -> None:
    strict.submit(function_run("late", "ends_when_told_to"))
    events = drain(strict, {"late"})
    assert ended(events, "late").outcome is Outcome.COMPLETE
    first = [event.metrics["process"] for event in events if isinstance(event, Reported)]
    wait_for(lambda: not alive(int(first[-1])), SLACK)
    strict.submit(function_run("next", "slow_start", seconds=0.0))
    assert ended(drain(strict, {"next"}), "next").outcome is Outcome.COMPLETE


@pytest.mark.slow
def test_a_forkserver_that_hangs_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "_UNHEARD", 0.5)
    with LocalLauncher(1, limits=Limits(silent_seconds=0.7)) as launcher:
        launcher.submit(function_run("hangs", "ignores_termination", tmp_path))
        worker, forkserver, _ = processes_of(tmp_path)
        os.kill(forkserver, signal.SIGSTOP)
        assert ended(drain(launcher, {"hangs"}), "hangs").outcome is Outcome.TIMEOUT
        wait_for(lambda: not alive(worker) and not alive(forkserver), SLACK)
        launcher.submit(function_run("next", "slow_start", seconds=0.0))
        assert ended(drain(launcher, {"next"}), "next").outcome is Outcome.COMPLETE
        monkeypatch.setattr(limits, "_BEGIN", 0.7)  # now one that cannot even fork
        (worker,) = (one.process for one in launcher._workers.values())
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: launcher.poll(0.1) == [] and not launcher._workers)
        assert launcher._server is not None
        os.kill(launcher._server.process, signal.SIGSTOP)
        launcher.submit(function_run("unbegun", "slow_start", seconds=0.0))
        end = ended(drain(launcher, {"unbegun"}), "unbegun")
        assert end.outcome is Outcome.LOST
        assert "not begun within 0.7 s" in end.error


@pytest.mark.slow
def test_memory_beyond_the_limit_ends_a_run(tmp_path: Path) -> None:
    with LocalLauncher(1, limits=Limits(memory_gib=1.2)) as launcher:
        launcher.submit(function_run("eats", "eats_memory", tmp_path))
        end = ended(drain(launcher, {"eats"}), "eats")
        assert end.outcome is Outcome.OUT_OF_MEMORY
        assert "launcher.memory_gib=1.2" in end.error


@pytest.mark.slow
def test_a_limit_below_what_a_worker_holds_at_once_is_refused() -> None:
    launcher = LocalLauncher(1, limits=Limits(memory_gib=0.05))
    with launcher, pytest.raises(LaunchError, match=r"memory_gib: expected more than 0\.\d+ here"):
        launcher.room()


@pytest.mark.slow
def test_a_function_s_silence_counts_from_its_first_word(tmp_path: Path) -> None:
    with LocalLauncher(2, limits=Limits(silent_seconds=1.5)) as launcher:
        launcher.submit(function_run("mute", "never_speaks", seconds=2.5))
        launcher.submit(function_run("asks", "asks_only", seconds=4.0))
        events = drain(launcher, {"mute", "asks"})
        assert ended(events, "mute").outcome is Outcome.COMPLETE
        assert ended(events, "asks").outcome is Outcome.COMPLETE


@pytest.mark.slow
def test_a_worker_that_keeps_memory_is_replaced_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "_LEAK", 200_000_000)

    def run_in(launcher: LocalLauncher, key: str, size: float) -> float:
        launcher.submit(function_run(key, "keeps_what_it_took", bytes=size))
        events = drain(launcher, {key})
        assert ended(events, key).outcome is Outcome.COMPLETE
        return next(e.metrics["process"] for e in events if isinstance(e, Reported))

    with LocalLauncher(1) as launcher:
        first = run_in(launcher, "1", 0)
        assert run_in(launcher, "2", 10_000_000) == first
        assert run_in(launcher, "3", 300_000_000) == first
        assert run_in(launcher, "4", 0) != first


def test_the_clock_on_the_wall_does_not_matter() -> None:
    now = [100.0]
    watchdog = Watchdog(Limits(run_seconds=10, silent_seconds=5), clock=lambda: now[0])
    watchdog.begin(built_in=True)
    now[0] += 4
    watchdog.hear(3)
    now[0] += 4
    watchdog.look(0)
    assert watchdog.verdict is None
    assert watchdog.due == ""
    now[0] += 3
    watchdog.look(0)
    assert watchdog.verdict is not None
    assert watchdog.verdict[0] is Outcome.TIMEOUT
    assert "run_seconds=10" in watchdog.verdict[1]
    assert watchdog.due == "terminate"
    assert watchdog.due == ""
    now[0] += GRACE + 0.1
    assert watchdog.due == "kill"
    now[0] += 60
    assert watchdog.due == "give up"


@pytest.mark.parametrize(
    ("built_in", "silences", "last"),
    [
        (True, [], 15),  # the first step is compiled
        (True, [1, 1], 5),
        (True, [14], 42),  # steps take so long here
        (False, [1, 4], 12),
        (False, [400], 5),  # before its first word a function is not watched
        (False, [], 4000),
    ],
)
def test_a_slow_run_does_not_hang(built_in: bool, silences: list[float], last: float) -> None:
    now = [100.0]
    watchdog = Watchdog(Limits(silent_seconds=5), clock=lambda: now[0])
    watchdog.begin(built_in=built_in)
    watchdog.hear_start()
    for seconds in silences:
        now[0] += seconds
        watchdog.look(0)
        watchdog.hear()
    now[0] += last - 0.1
    watchdog.look(0)
    assert watchdog.verdict is None
    now[0] += 0.2
    watchdog.look(0)
    assert (watchdog.verdict is not None) == (built_in or bool(silences))


def test_a_run_that_no_worker_begins_is_lost_and_not_to_blame() -> None:
    now = [100.0]
    watchdog = Watchdog(Limits(), clock=lambda: now[0])
    for begins in (True, False):
        watchdog.begin(built_in=True)
        if begins:
            watchdog.hear_start()
        now[0] += 500
        watchdog.look(0)
        assert (watchdog.verdict is None) == begins
    assert watchdog.verdict is not None
    assert watchdog.verdict[0] is Outcome.LOST


@pytest.mark.parametrize(("kills", "outcome"), [(1, Outcome.OUT_OF_MEMORY), (0, Outcome.LOST)])
def test_the_system_s_killer_is_told_from_others(
    monkeypatch: pytest.MonkeyPatch, kills: int, outcome: Outcome
) -> None:
    counted = iter([3, 3 + kills])
    monkeypatch.setattr(handle, "memory_kills", lambda: next(counted))
    worker = handle.Worker(1, "cpu", SimpleNamespace(send=lambda message: None), Limits())  # type: ignore[arg-type]
    worker.run = function_run("run", "learns")
    worker.begin()
    found, text = worker.death(-9)
    assert found is outcome
    assert ("out of memory" if kills else "signal 9") in text


def test_memory_is_that_of_the_whole_group() -> None:
    program = "x = bytearray(10**8); print(len(x), flush=True); input()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", outer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        held = [processes.resident(one) for one in processes.members(child.pid)]
        assert len(held) == 2
        assert sum(held) > processes.resident(child.pid) + 10**8
        child.communicate(b"\n")
    assert processes.resident(child.pid) == 0


@pytest.mark.parametrize(
    ("text", "kills"),
    [("low 0\noom 3\noom_kill 2\n", 2), ("", 0), ("oom_kill many", 0), (None, 0)],
)
def test_the_kernel_s_count_of_kills(
    monkeypatch: pytest.MonkeyPatch, text: str | None, kills: int
) -> None:
    files = {"/proc/self/cgroup": "1:cpu:/\n0::/mine\n"}
    if text is not None:
        files["/sys/fs/cgroup/mine/memory.events"] = text

    def read(path: Path, **_: Any) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read)
    assert processes.memory_kills() == kills


@pytest.mark.parametrize(
    ("outcome", "device", "spent"),
    [
        (Outcome.CRASHED, "cuda:0", True),
        (Outcome.OUT_OF_MEMORY, "cuda:0", True),
        (Outcome.DIVERGED, "cuda:0", False),
        (Outcome.CRASHED, "cpu", False),
    ],
)
def test_what_a_run_may_have_spoiled_on_a_device_gets_no_other(
    strict: LocalLauncher, outcome: Outcome, device: str, spent: bool
) -> None:
    channel: Any = SimpleNamespace(send=lambda message: None)
    assert strict._is_spent(handle.Worker(1, device, channel, Limits()), outcome) == spent


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"name": "inline", "run_seconds": 3.0}, "run_seconds: expected 0"),
        ({"name": "inline", "silent_seconds": 3.0}, "silent_seconds: expected 0"),
        ({"name": "inline", "workers": 4}, "workers: expected 1"),
        ({"total_memory_gib": 3.0}, "memory_gib: expected a limit of each run"),
        ({"total_memory_gib": 3.0, "memory_gib": 4.0}, "at most total_memory_gib=3, got 4"),
    ],
)
def test_limits_that_nothing_keeps_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Launch(**values)
