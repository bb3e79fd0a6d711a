"""The runs of a stored study once more, without selector around them: a pool of processes.

    python -m benchmarks.overhead.bare FOLDER PROCESSES

What somebody would write by hand: `multiprocessing` with spawned processes, one thread each, and
the same training function. Prints JSON: seconds of the whole, seconds from the first training's
start to the last one's end, and the losses, which must be those of the study.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from selector.launch.messages import plain_run, read_run
from selector.track.record import Record
from selector.track.run import Ended
from selector.track.store import FolderStore


class _Losses:
    """A reporter that keeps the last validation loss."""

    def __init__(self) -> None:
        self.loss = float("nan")

    def report(self, key: str, step: int, metrics: Any) -> None:
        self.loss = metrics.get("validation/loss", self.loss)

    def end(self, key: str, ended: Ended) -> None:
        pass

    def should_stop(self, key: str) -> bool:
        return False


def train(message: dict[str, Any]) -> tuple[str, float, float, float]:
    """Key, loss, start and end of one training."""
    import torch

    from selector.train import loop

    torch.set_num_threads(1)
    run = read_run(message)
    begin, losses = time.time(), _Losses()
    loop.train([run], losses, "cpu")
    return run.key, losses.loss, begin, time.time()


def main(folder: Path, processes: int) -> None:
    begin = time.time()
    stored = list(Record(FolderStore(folder)).runs())
    data = folder.parent / "_data"
    runs = [plain_run(replace(item.run, folder=None, data_folder=data)) for item in stored]
    if processes == 1:
        done = [train(run) for run in runs]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            done = pool.map(train, runs, chunksize=1)
    losses = {key: loss for key, loss, _, _ in done}
    starts, ends = [row[2] for row in done], [row[3] for row in done]
    found = {"whole": time.time() - begin, "training": max(ends) - min(starts), "losses": losses}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
