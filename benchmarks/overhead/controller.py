"""One controller process over a study of empty runs: what its parts cost, as one line of JSON.

    python -m benchmarks.overhead.controller FOLDER RUNS [--launcher local] [--tracker mlflow]
                                                         [--first-ask] [--sampler refined]

With --first-ask it goes on with what is stored and ends when it asks for the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

STUDY = Path(__file__).with_name("empty.yaml")
#: Two arms of four sub-searches: so many runs are not of the search, one verdict run for each.
SEARCHES = 8
#: Runs between two looks at the memory.
LOOK = 250
#: Where the controller's own work is: class -> methods -> name of the part.
PARTS = {
    "Proposals": {"suggest": "propose"},
    "Record": {"add_trial": "trial.yaml", "ask": "run.yaml", "report": "report",
               "finish": "result.json", "curve": "read the curve"},
    "Decisions": {"decide": "decide"},
}  # fmt: skip


class Clocks:
    """Processor seconds of this thread, and wall seconds, spent in each part; and the memory."""

    def __init__(self) -> None:
        self.cpu: Counter[str] = Counter()
        self.wall: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.memory: list[tuple[int, float]] = []

    def time(self, owner: type, method: str, part: str) -> None:
        """Count what `owner.method` takes under `part`."""
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return inner(*arguments, **named)
            finally:
                self.cpu[part] += time.thread_time() - cpu
                self.wall[part] += time.perf_counter() - wall
                self.calls[part] += 1

        setattr(owner, method, timed)

    def look(self, finished: int) -> None:
        """Note the resident memory at every LOOK runs."""
        if not self.memory or finished >= self.memory[-1][0] + LOOK:
            self.memory.append((finished, resident()))


def resident() -> float:
    """Resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Run the study, or begin to, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead.controller")
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", type=int)
    parser.add_argument("--launcher", default="inline")
    parser.add_argument("--tracker", default="none")
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--first-ask", type=float, metavar="MONOTONIC")
    parser.add_argument("--profile", type=Path, help="file for what cProfile saw")
    parser.add_argument("--unsynced", action="store_true", help="leave out every fsync")
    asked = parser.parse_args()

    from selector.study import conduct, decisions, proposals
    from selector.track import make_tracker, record

    if asked.unsynced:
        os.fsync = lambda file: None
    clocks = Clocks()
    trials = asked.runs // SEARCHES - 1 + (asked.first_ask is not None)
    overrides = [f"budget.trials={trials}", "budget.verdict_seeds=1", f"launcher={asked.launcher}",
                 f"tracker={asked.tracker}", f"sampler={asked.sampler}"]  # fmt: skip
    if asked.launcher == "local":
        overrides.append("launcher.workers=2")
    study = conduct.read_study(str(STUDY), overrides, asked.folder)
    if asked.first_ask is not None:
        record.Record.ask = lambda *_: _stop(asked.first_ask)  # type: ignore[method-assign]
    modules = {"Proposals": proposals, "Record": record, "Decisions": decisions}
    for name, methods in PARTS.items():
        for method, part in methods.items():
            clocks.time(getattr(modules[name], name), method, part)
    tracker = make_tracker(study.tracker, asked.folder)
    process, thread, wall = time.process_time(), time.thread_time(), time.perf_counter()
    profiler = None
    if asked.profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    try:
        done = conduct.conduct(
            study, asked.folder, tracker,
            on_progress=lambda agenda: clocks.look(agenda.searches.finished),
        )  # fmt: skip
    finally:
        if profiler:
            profiler.disable()
            profiler.dump_stats(asked.profile)
    controller_cpu, controller_wall = time.thread_time() - thread, time.perf_counter() - wall
    message = tracker.close(seconds=600)
    drained = time.perf_counter() - wall
    runs = sum(1 for item in done.stored.record.runs() if item.result)
    print(
        json.dumps(
            {
                "runs": runs,
                "controller_cpu": controller_cpu,
                "controller_wall": controller_wall,
                "mirror_cpu": time.process_time() - process - (time.thread_time() - thread),
                "drained": drained,
                "message": message,
                "cpu": clocks.cpu,
                "wall": clocks.wall,
                "calls": clocks.calls,
                "memory": [*clocks.memory, (runs, resident())],
            }
        )
    )


def _stop(begin: float) -> None:
    """Say how long it took to get here since `begin`, and end."""
    seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - begin
    cpu = time.process_time()
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": resident()}))
    raise SystemExit


if __name__ == "__main__":
    main()
