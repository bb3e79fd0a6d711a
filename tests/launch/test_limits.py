"""Runs that hang or take too much are ended, whatever they do; nothing of them lives on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from selector.config.schema import Launch
from selector.launch import handle, limits
from selector.launch.base import Reported
from selector.launch.limits import GRACE, Limits, Watchdog
from selector.launch.local import LocalLauncher
from selector.track.run import Outcome
from tests.contracts.launcher import drain, ended
from tests.launch.examples import function_run
from tests.launch.test_local import alive, processes_of, wait_for

pytestmark = pytest.mark.timeout(60)
SLACK = 6.0  # seconds: these machines are busy


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        ("spins", Limits(silent_seconds=0.7)),
        pytest.param("holds_the_interpreter", Limits(silent_seconds=0.7), marks=pytest.mark.slow),
        pytest.param("is_stopped", Limits(silent_seconds=0.7), marks=pytest.mark.slow),
        pytest.param("until_stopped", Limits(run_seconds=0.7), marks=pytest.mark.slow),
    ],
)
def test_a_run_beyond_its_limit_is_ended_and_the_next_one_runs(
    tmp_path: Path, function: str, allowed: Limits
) -> None:
    with LocalLauncher(1, limits=allowed) as launcher:
        launcher.room()
        launcher.submit(function_run("hangs", function, tmp_path / "hangs"))
        begin = time.monotonic()
        end = ended(drain(launcher, {"hangs"}), "hangs")
        assert time.monotonic() - begin < 0.7 + GRACE + SLACK
        assert end.outcome is Outcome.TIMEOUT
        assert "0.7 allows; the last step seen was" in end.error
        assert end.seconds >= 0.7
        launcher.submit(function_run("next", "slow_start", seconds=0.0))
        assert ended(drain(launcher, {"next"}), "next").outcome is Outcome.COMPLETE


def test_one_that_blocks_all_signals_is_gone_with_its_children(tmp_path: Path) -> None:
    with LocalLauncher(1, limits=Limits(silent_seconds=0.5)) as launcher:
        launcher.submit(function_run("blocks", "ignores_termination", tmp_path))
        end = ended(drain(launcher, {"blocks"}), "blocks")
        assert end.outcome is Outcome.TIMEOUT
        worker, forkserver, child = processes_of(tmp_path)
        wait_for(lambda: not alive(worker) and not alive(child), SLACK)
        assert alive(forkserver)


@pytest.mark.slow
def test_memory_beyond_the_limit_ends_a_run(tmp_path: Path) -> None:
    with LocalLauncher(1, limits=Limits(memory_gib=1.2)) as launcher:
        launcher.submit(function_run("eats", "eats_memory", tmp_path))
        end = ended(drain(launcher, {"eats"}), "eats")
        assert end.outcome is Outcome.OUT_OF_MEMORY
        assert "launcher.memory_gib=1.2" in end.error


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
    assert watchdog.signal_due == ""
    now[0] += 3
    watchdog.look(0)
    assert watchdog.verdict is not None
    assert watchdog.verdict[0] is Outcome.TIMEOUT
    assert "run_seconds=10" in watchdog.verdict[1]
    assert watchdog.signal_due == "terminate"
    assert watchdog.signal_due == ""
    now[0] += GRACE + 0.1
    assert watchdog.signal_due == "kill"


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


def test_memory_is_that_of_the_children_too() -> None:
    own = psutil.Process().memory_info().rss
    program = "x = bytearray(10**8); print(len(x), flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert limits.memory(os.getpid()) > own + 5 * 10**7
        child.kill()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"name": "inline", "run_seconds": 3.0}, "run_seconds: expected 0"),
        ({"total_memory_gib": 3.0}, "memory_gib: expected a limit"),
    ],
)
def test_limits_that_nothing_keeps_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Launch(**values)


def test_fewer_workers_where_their_memory_would_not_fit(tmp_path: Path) -> None:
    from selector.launch import LAUNCHERS

    launch = Launch(workers=4, memory_gib=2.0, total_memory_gib=5.0)
    launcher: Callable[..., Any] = LAUNCHERS["local"]
    with launcher(launch) as place:
        assert place.room() == 2
