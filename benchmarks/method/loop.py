"""What the study loop costs: studies of empty runs, in memory, and one with a long history.

    python -m benchmarks.method.loop

Runs a second of whole studies whose runs report one value and train nothing: proposing, asking,
storing, telling, deciding. The record is in memory, so no disk is measured.
"""

from __future__ import annotations

import time

from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner
from selector.study.loop import run_study
from selector.track.record import Record
from selector.track.store import MemoryStore
from selector.track.tracker import NullTracker
from tests.report.build import METRIC, Surface, study
from tests.study.replayed import loss

#: Arms, trials a sub-search, sub-searches an arm.
SHAPES = ((2, 8, 4), (2, 16, 8), (2, 200, 4), (1, 3000, 1))


def runs_per_second(arms: int, trials: int, replicates: int) -> tuple[int, float]:
    """Runs of one study, and how many of them end in a second."""
    names = ("adamw", "muon")[:arms]
    surfaces = [Surface(name=name) for name in names]
    asked = study(surfaces, trials=trials, replicates=replicates, screen=2, verdict_seeds=3)
    record = Record(MemoryStore())
    runner = ReplayRunner(rows=lambda run: [(1, {METRIC: loss(run)})])
    begin = time.perf_counter()
    run_study(asked, record, InlineLauncher(runner_for=lambda run: runner), NullTracker())
    count = sum(1 for _ in record.runs())
    return count, count / (time.perf_counter() - begin)


def main() -> None:
    """Print the table."""
    print("| arms x trials x sub-searches | runs | runs a second |\n|---|---|---|")
    for shape in SHAPES:
        count, speed = runs_per_second(*shape)
        print(f"| {' x '.join(map(str, shape))} | {count} | {speed:.0f} |")


if __name__ == "__main__":
    main()
