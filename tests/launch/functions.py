"""Users' functions, well-behaved and not, that the tests of launchers and runners execute."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from selector.config.schema import RunConfig


def learns(config: RunConfig, run: Any) -> None:
    for step in range(1, int(config.objective.parameters.get("steps", 3)) + 1):
        if run.should_stop():
            return
        run.report(step, loss=1 / step, third=1 / 3)


def slow_start(config: RunConfig, run: Any) -> None:
    time.sleep(config.objective.parameters["seconds"])
    run.report(1, loss=1.0)


def until_stopped(config: RunConfig, run: Any) -> None:
    step = 0
    while not run.should_stop():
        step += 1
        if step % 100 == 1:
            run.report(step, loss=1.0)
        time.sleep(0.001)


def raises(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    run.report(2, loss=1 / 0)


def interrupts(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    raise KeyboardInterrupt


def cancelled(config: RunConfig, run: Any) -> None:
    raise asyncio.CancelledError("of a task")


def reports_a_word(config: RunConfig, run: Any) -> None:
    run.report(1, loss="low")


def forks_a_child_that_comes_back(config: RunConfig, run: Any) -> None:
    """The child leaves with an exit, or returns; the parent reports after it."""
    child = os.fork()
    if child == 0:
        if config.objective.parameters["exits"]:
            sys.exit("of the child")
        return
    os.waitpid(child, 0)
    time.sleep(0.1)
    run.report(1, loss=1.0)


def leaves_a_session(config: RunConfig, run: Any) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(command, start_new_session=True)
    (run.folder / "session.txt").write_text(str(process.pid))
    run.report(1, loss=1.0)


def writes_what_it_got(config: RunConfig, run: Any) -> None:
    (run.folder / "got.txt").write_text(repr((config, run.seed, run.tokens, run.stage)))
    run.report(1, loss=1.0)


def writes_processes_and_waits(config: RunConfig, run: Any) -> None:
    """Write the ids of this process, the one that forked it and one of its own; wait."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    partial = run.folder / "partial.txt"
    partial.write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    partial.rename(run.folder / "processes.txt")
    run.report(1, loss=1.0)
    until = time.monotonic() + config.objective.parameters["seconds"]
    while time.monotonic() < until and not run.should_stop():
        time.sleep(0.01)
    child.kill()
    child.wait()


def holds_the_interpreter(config: RunConfig, run: Any) -> None:
    """Wait in C without letting any Python thread of this process run."""
    run.report(1, loss=1.0)
    ctypes.PyDLL(None).sleep(60)


def prints(config: RunConfig, run: Any) -> None:
    print("from Python")  # noqa: T201 - what is tested
    sys.stderr.write("from standard error\n")
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run(["echo", "from a subprocess"], check=True)
    run.report(1, loss=1.0)


def reports_process(config: RunConfig, run: Any) -> None:
    import torch

    run.report(
        1,
        loss=1.0,
        process=os.getpid(),
        threads=torch.get_num_threads(),
        parent_threads=len(list(Path(f"/proc/{os.getppid()}/task").iterdir())),
        path_kept=os.environ.get("PYTHONPATH") == "the user's own",
    )


def draws(config: RunConfig, run: Any) -> None:
    import numpy
    import torch

    for step in (1, 2):
        run.report(
            step, loss=random.random(), numpy=numpy.random.rand(), torch=torch.rand(()).item()
        )


def exits(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    os._exit(3)


def leaves(config: RunConfig, run: Any) -> None:
    sys.exit("no reason to go on")


def kills_itself(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    print("last words", flush=True)  # noqa: T201 - what is tested
    os.kill(os.getpid(), signal.SIGKILL)


def segfaults(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    ctypes.string_at(0)


def spins(config: RunConfig, run: Any) -> None:
    run.report(7, loss=1.0)
    while True:
        pass


def ignores_termination(config: RunConfig, run: Any) -> None:
    """Sleep with every signal blocked that can be, and a child that does the same."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    partial = run.folder / "partial.txt"
    partial.write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    partial.rename(run.folder / "processes.txt")
    run.report(1, loss=1.0)
    time.sleep(60)


def ends_when_told_to(config: RunConfig, run: Any) -> None:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    run.report(1, loss=1.0, process=os.getpid())
    while not told:
        time.sleep(0.01)


def outlives(config: RunConfig, run: Any) -> None:
    """Have the kernel forget that this process dies with its parent, and notice nothing oneself."""
    ctypes.CDLL(None).prctl(1, 0)
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    partial = run.folder / "partial.txt"
    partial.write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    partial.rename(run.folder / "processes.txt")
    ctypes.PyDLL(None).sleep(60)


def is_stopped(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    os.kill(os.getpid(), signal.SIGSTOP)


def eats_memory(config: RunConfig, run: Any) -> None:
    run.report(1, loss=1.0)
    eaten = []
    while True:
        eaten.append(b"x" * 50_000_000)
        time.sleep(0.01)
        run.should_stop()


def keeps_what_it_took(config: RunConfig, run: Any) -> None:
    """Leave as much in memory as the parameters say, and say which process this is."""
    sys.modules[f"kept_{run.seed}"] = bytearray(int(config.objective.parameters["bytes"]))  # type: ignore[assignment]
    run.report(1, loss=1.0, process=os.getpid())


def never_speaks(config: RunConfig, run: Any) -> None:
    time.sleep(config.objective.parameters["seconds"])
    run.report(1, loss=1.0)


def asks_only(config: RunConfig, run: Any) -> None:
    until = time.monotonic() + config.objective.parameters["seconds"]
    while time.monotonic() < until:
        run.should_stop()
        time.sleep(0.01)
    run.report(1, loss=1.0)
