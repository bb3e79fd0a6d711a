from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selector.errors import LaunchError
from selector.launch import telemetry
from selector.launch.base import Finished, Launcher, Reported, Started
from selector.launch.local import LocalLauncher
from selector.track.run import Outcome
from tests.contracts.launcher import LauncherContract, drain, ended
from tests.launch.examples import function_run
from tests.launch.test_telemetry import Thermometer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def warm() -> Iterator[LocalLauncher]:
    """One launcher for all tests that leave it usable."""
    with LocalLauncher(2) as launcher:
        yield launcher


class TestLocalLauncher(LauncherContract):
    @pytest.fixture
    def launcher(self, warm: LocalLauncher, request: pytest.FixtureRequest) -> Iterator[Launcher]:
        if "close" not in request.node.name:
            yield warm
            return
        with LocalLauncher(1) as launcher:
            yield launcher


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.01)


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def processes_of(folder: Path) -> list[int]:
    """Worker, forkserver and the worker's own child, as writes_processes_and_waits noted them."""
    wait_for((folder / "processes.txt").exists)
    return [int(word) for word in (folder / "processes.txt").read_text().split()]


@pytest.mark.parametrize(
    ("function", "texts"),
    [
        ("exits", ["exited with code 3"]),
        ("kills_itself", ["signal 9, SIGKILL", "last words"]),
        ("segfaults", ["signal 11, SIGSEGV", "in segfaults"]),
    ],
)
def test_a_worker_s_death_is_its_run_s_loss_and_no_other_s(
    warm: LocalLauncher, tmp_path: Path, function: str, texts: list[str]
) -> None:
    warm.submit(function_run("dies", function, tmp_path / "dies"))
    warm.submit(function_run("lives", "slow_start", seconds=0.3))
    events = drain(warm, {"dies", "lives"})
    assert ended(events, "lives").outcome is Outcome.COMPLETE
    end = ended(events, "dies")
    assert end.outcome is Outcome.LOST
    assert all(text in end.error for text in texts), end.error
    number = int(texts[0].split()[1].strip(",") if "signal" in texts[0] else 3)
    assert end.facts["signal" if "signal" in texts[0] else "exit_code"] == number
    mine = [type(event) for event in events if event.key == "dies"]
    assert mine == [Started, Reported, Finished], "what it said before its death is lost"
    assert warm.room() == 2
    warm.submit(function_run("next", "learns"))
    assert ended(drain(warm, {"next"}), "next").outcome is Outcome.COMPLETE


def test_kill_9_of_a_worker_takes_its_own_children_along(
    warm: LocalLauncher, tmp_path: Path
) -> None:
    warm.submit(function_run("a", "writes_processes_and_waits", tmp_path, seconds=60))
    worker, forkserver, child = processes_of(tmp_path)
    os.kill(worker, signal.SIGKILL)
    assert ended(drain(warm, {"a"}), "a").outcome is Outcome.LOST
    wait_for(lambda: not alive(child), 2.0)
    assert alive(forkserver)


def test_sys_exit_in_a_function_is_a_crash_and_the_worker_stays(
    warm: LocalLauncher,
) -> None:
    for function, text in (
        ("leaves", "no reason to go on"),
        ("interrupts", "KeyboardInterrupt"),
        ("cancelled", "CancelledError: of a task"),
    ):
        warm.submit(function_run("a", function))
        end = ended(drain(warm, {"a"}), "a")
        assert end.outcome is Outcome.CRASHED
        assert text in end.error


def test_everything_printed_is_in_the_run_s_log_and_only_there(
    warm: LocalLauncher, tmp_path: Path
) -> None:
    for key in ("a", "b"):
        warm.submit(function_run(key, "prints", tmp_path / key))
        drain(warm, {key})
        lines = (tmp_path / key / "log.txt").read_text().splitlines()
        expected = ["from Python", "from standard error", "from C", "from a subprocess"]
        assert sorted(lines) == sorted(expected)


def test_signals_of_the_terminal_do_not_reach_workers(warm: LocalLauncher, tmp_path: Path) -> None:
    warm.submit(function_run("a", "writes_processes_and_waits", tmp_path, seconds=0.5))
    worker, forkserver, _ = processes_of(tmp_path)
    assert os.getsid(worker) == os.getsid(forkserver) != os.getsid(0)
    for process in (worker, forkserver):
        os.kill(process, signal.SIGINT)
    assert ended(drain(warm, {"a"}), "a").outcome is Outcome.COMPLETE


def test_an_interrupted_poll_loses_nothing(warm: LocalLauncher) -> None:
    warm.submit(function_run("a", "slow_start", seconds=0.5))
    assert [type(event) for event in warm.poll(5.0)] == [Started]
    main = threading.main_thread().ident
    threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT]).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        warm.poll(10.0)
    assert time.monotonic() - begin < 0.4
    assert [type(event) for event in drain(warm, {"a"})] == [Reported, Finished]


def test_auto_is_a_warm_worker_of_one_thread_for_each_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.setenv("PYTHONPATH", "the user's own")

    if torch.cuda.is_available():
        pytest.skip("this machine has accelerators")
    with LocalLauncher("auto") as launcher:
        room = launcher.room()
        assert room == len(os.sched_getaffinity(0))
        keys = {f"run{number}" for number in range(min(room, 2))}
        begin = time.monotonic()
        for key in keys:
            launcher.submit(function_run(key, "reports_process"))
        events = drain(launcher, keys)
        seconds = time.monotonic() - begin
    rows = [event.metrics for event in events if isinstance(event, Reported)]
    assert len({row["process"] for row in rows}) == len(keys)
    assert all(row["threads"] == 1 for row in rows)
    assert all(row["parent_threads"] == 1 for row in rows), "a fork copies only one thread"
    assert all(row["path_kept"] for row in rows), "the user's own PYTHONPATH was not put back"
    assert seconds < 1.0, "a cold start takes more than a second: it imports PyTorch"


def test_workers_that_only_die_end_the_launcher(tmp_path: Path) -> None:
    with LocalLauncher(1) as launcher:
        for number in range(8):
            key = f"run{number}"
            launcher.submit(function_run(key, "kills_itself", tmp_path / key))
            assert ended(drain(launcher, {key}), key).outcome is Outcome.LOST
        with pytest.raises(
            LaunchError, match=r"8 workers died in a row[^$]*was killed by signal 9[^$]*last words"
        ):
            launcher.submit(function_run("a", "learns"))
        with pytest.raises(LaunchError, match="8 workers died"):
            launcher.poll(1.0)


def test_kill_9_of_the_forkserver_loses_its_runs_and_no_more(tmp_path: Path) -> None:
    with LocalLauncher(1) as launcher:
        launcher.submit(function_run("a", "writes_processes_and_waits", tmp_path, seconds=60))
        worker, forkserver, _ = processes_of(tmp_path)
        os.kill(forkserver, signal.SIGKILL)
        assert ended(drain(launcher, {"a"}), "a").outcome is Outcome.LOST
        wait_for(lambda: not alive(worker), 2.0)
        launcher.submit(function_run("b", "learns"))
        assert ended(drain(launcher, {"b"}), "b").outcome is Outcome.COMPLETE


def test_a_worker_that_dies_idle_is_replaced_unseen(warm: LocalLauncher) -> None:
    dead = set()
    for key in ("a", "b"):
        warm.submit(function_run(key, "reports_process"))
        (row,) = (e.metrics for e in drain(warm, {key}) if isinstance(e, Reported))
        process = int(row["process"])
        assert process not in dead
        os.kill(process, signal.SIGKILL)
        wait_for(lambda gone=Path(f"/proc/{process}"): not gone.exists())  # type: ignore[misc]
        dead.add(process)


def test_close_ends_hung_workers_and_all_their_children(tmp_path: Path) -> None:
    with LocalLauncher(2) as launcher:
        launcher.submit(function_run("a", "writes_processes_and_waits", tmp_path, seconds=60))
        launcher.submit(function_run("b", "holds_the_interpreter"))
        processes = processes_of(tmp_path)
        keys: set[str] = set()
        while keys < {"a", "b"}:
            keys |= {event.key for event in launcher.poll(5.0) if isinstance(event, Reported)}
        begin = time.monotonic()
    assert time.monotonic() - begin < 3.0
    wait_for(lambda: not any(map(alive, processes)), 1.0)
    with pytest.raises(LaunchError, match="closed"):
        launcher.poll(0.0)


SCRIPT = """
import os, sys
from pathlib import Path
from selector.launch.local import LocalLauncher
from tests.launch.examples import function_run

folder = Path(sys.argv[1])
with (folder / "count").open("a") as count:
    count.write("x")
launcher = LocalLauncher(2)
for key in ("a", "b"):
    (folder / key).mkdir()
    launcher.submit(
        function_run(key, "writes_processes_and_waits", folder / key, seconds=float(sys.argv[2]))
    )
ends = []
while len(ends) < 2:
    try:
        ends += [event.ended for event in launcher.poll(10) if hasattr(event, "ended")]
    except KeyboardInterrupt:
        (folder / "interrupted").touch()
print(*[end.outcome for end in ends])
launcher.close()
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts a user's script without a main guard, in a process group of its own."""
    path = tmp_path / "unguarded.py"
    path.write_text(SCRIPT)
    started = []

    def start(seconds: float) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(path), str(tmp_path), str(seconds)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_kill_9_of_the_controller_leaves_no_process(
    script: Callable[[float], subprocess.Popen[str]], tmp_path: Path
) -> None:
    controller = script(60.0)
    processes = [*processes_of(tmp_path / "a")[:2], *processes_of(tmp_path / "b")[:2]]
    assert all(map(alive, processes))
    controller.kill()
    wait_for(lambda: not any(map(alive, processes)), 1.0)


def test_an_unguarded_script_runs_once_and_ctrl_c_is_its_own(
    script: Callable[[float], subprocess.Popen[str]], tmp_path: Path
) -> None:
    controller = script(0.7)
    for key in ("a", "b"):
        processes_of(tmp_path / key)
    os.killpg(controller.pid, signal.SIGINT)
    output, _ = controller.communicate(timeout=20)
    assert output.split() == ["complete", "complete"]
    assert (tmp_path / "interrupted").exists()
    assert (tmp_path / "count").read_text() == "x"


def test_a_forkserver_killed_before_it_is_ready_is_started_again() -> None:
    with LocalLauncher(1) as launcher:
        assert launcher._server is not None
        os.kill(launcher._server.process, signal.SIGKILL)
        launcher.submit(function_run("one", "learns"))
        assert ended(drain(launcher, {"one"}), "one").outcome is Outcome.COMPLETE


def test_a_forkserver_that_cannot_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('this torch is broken')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with LocalLauncher(1) as launcher, pytest.raises(LaunchError, match="this torch is broken"):
        launcher.room()


def test_runs_wait_while_their_device_is_too_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_LOOK_EVERY", 0.0)
    gauges = Thermometer(90.0)
    with LocalLauncher(1, pause_above_celsius=80, gauges=gauges) as launcher:
        launcher.submit(function_run("a", "slow_start", seconds=0.1))
        assert launcher.room() == 0
        assert launcher.poll(0.3) == []
        gauges.celsius = 60.0
        events = drain(launcher, {"a"})
        assert [type(event) for event in events] == [Started, Reported, Finished]
        over = ended(events, "a")
        assert over.facts["device_celsius"] == over.facts["device_celsius_mean"] == 60.0
        assert over.facts["device_joules"] > 0
        assert over.facts["device_joules"] == pytest.approx(200.0 * over.seconds)
        gauges.celsius = 90.0
        launcher.submit(function_run("b", "learns"))
        launcher.stop("b")
        assert ended(drain(launcher, {"b"}), "b").outcome is Outcome.STOPPED
        assert launcher.room() == 1


def test_a_pause_that_nothing_can_measure_is_refused() -> None:
    launcher = LocalLauncher(1, pause_above_celsius=80)
    with (
        launcher,
        pytest.raises(LaunchError, match=r"pause_above_celsius: expected 0 here, got 80"),
    ):
        launcher.room()
