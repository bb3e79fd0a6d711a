"""What branching saves: a rung and the whole run after it, from the beginning and from the trunk.

Trains, for each seed, a rung of a third of the tokens that keeps its trunk, the whole run from the
beginning, and the whole run from that trunk, one after the other in one thread; the two whole runs
must end with the same validation loss to the last bit. Times are the process's own. Run it with

    python -m benchmarks.method.branching [--seeds 3] [--tokens 262144] [override …]

Overrides are those of `selector train`. The exit code is 1 where the losses differ.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import process_time

import torch

from selector.config.single import compose_single
from selector.rerun import prepared
from selector.track.run import Ended, Run
from selector.train.loop import train

_DEFAULTS = ["model=pico", "schedule=warmup_stable_decay"]


class Kept:
    """A reporter that keeps the last metrics, the end and the processor time of each run."""

    def __init__(self) -> None:
        self.metrics: dict[str, dict[str, float]] = {}
        self.ended: dict[str, Ended] = {}
        self.seconds: dict[str, float] = {}

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        self.metrics.setdefault(key, {}).update(metrics)

    def end(self, key: str, ended: Ended) -> None:
        self.ended[key] = ended

    def should_stop(self, key: str) -> bool:
        return False


def three(run: Run, folder: Path, tokens: int) -> Kept:
    """Train the rung, the whole run, and the whole run from the rung's trunk."""
    kept = Kept()
    rung = replace(
        run, key="rung", tokens=tokens // 3, trunk_for=tokens, folder=folder / "rung", stage="rung1"
    )
    whole = replace(run, key="whole", folder=folder / "whole")
    branched = replace(run, key="branched", folder=folder / "branched", branch=rung.folder)
    for each in (rung, whole, branched):
        started = process_time()
        train([each], kept, "cpu")
        kept.seconds[each.key] = process_time() - started
    return kept


def main() -> int:
    """Measure and say what is saved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=262_144)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    single = compose_single({}, [*_DEFAULTS, *options.overrides])
    saved = []
    differs = False
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = prepared(single.config, folder)
        run = Run(
            key="", config=config, stage="explore", seed=0, tokens=options.tokens,
            data_folder=folder / "_data",
        )  # fmt: skip
        for seed in range(options.seeds):
            kept = three(replace(run, seed=seed), folder / str(seed), options.tokens)
            rung, whole, branched = (kept.seconds[name] for name in ("rung", "whole", "branched"))
            ended = kept.ended["branched"]
            losses = [kept.metrics[name]["validation/loss"] for name in ("whole", "branched")]
            differs |= losses[0] != losses[1]
            saved.append(1 - (rung + branched) / (rung + whole))
            size = sum(file.stat().st_size for file in (folder / str(seed)).glob("rung/trunk/*"))
            print(
                f"seed {seed}: rung {rung:.2f} s; whole run {whole:.2f} s, from the trunk"
                f" {branched:.2f} s ({ended.facts.get('steps_saved', 0)} of {ended.steps} steps"
                f" saved, {size / 2**20:.1f} MiB);"
                f" loss {losses[0]:.6f} and {losses[1]:.6f}"
                f" ({'the same bits' if losses[0] == losses[1] else 'NOT the same'})"
            )
    print(
        f"saved of the processor time of rung and whole run, median: {statistics.median(saved):.1%}"
    )
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
