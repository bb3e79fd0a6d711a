"""Trials per hour of a random search, against the same runs in a bare pool of processes.

    python -m benchmarks.overhead.trials [--rounds 2] [--trials 16] [--tokens 153600] [--no-row]

Each round runs the whole command `selector run`, then the very same runs (configurations, seeds,
lengths; their losses are compared) in a pool of two spawned processes, and in one process in a
row, in turn; ratios are of the medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY = Path(__file__).with_name("trials.yaml")


def selector(folder: Path, *overrides: str) -> dict[str, object]:
    """Seconds of the whole command, and from the first run's request to the last one's result."""
    begin = time.time()
    command = [sys.executable, "-m", "selector.cli", "run", str(STUDY), "launcher.workers=2"]
    _call(command + list(overrides), folder)
    whole = time.time() - begin
    runs = folder / "runs" / "trials"
    results = sorted(runs.glob("trials/*/runs/*/result.json"))
    first = min(path.stat().st_mtime for path in runs.glob("trials/*/runs/*/run.yaml"))
    last = max(path.stat().st_mtime for path in results)
    losses = {
        str(path.parent.relative_to(runs)): json.loads(path.read_text())["metrics"][
            "validation/loss"
        ]
        for path in results
    }
    return {"whole": whole, "training": last - first, "losses": losses}


def bare(folder: Path, processes: int) -> dict[str, object]:
    """The same runs without selector; the whole is from the start of its process."""
    begin = time.time()
    module = "benchmarks.overhead.bare"
    output = _call([sys.executable, "-m", module, str(folder), str(processes)], folder.parent)
    found: dict[str, object] = json.loads(output.splitlines()[-1])
    return {**found, "whole": time.time() - begin}


def _call(command: list[str], folder: Path) -> str:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main(rounds: int, trials: int, tokens: int, *, in_a_row: bool) -> None:
    overrides = (f"budget.trials={trials}", f"budget.tokens={tokens}")
    seconds: dict[str, dict[str, list[float]]] = {}
    runs, data = 0, Path(tempfile.mkdtemp(prefix="selector-data-"))
    for place in range(rounds + 1):  # the first prepares the data and warms the disk's cache
        folder = Path(tempfile.mkdtemp(prefix="selector-trials-"))
        try:
            if place:
                shutil.copytree(data, folder / "runs" / "_data")
            if not place:
                selector(folder, "budget.trials=2", "budget.tokens=7680")
                shutil.copytree(folder / "runs" / "_data", data, dirs_exist_ok=True)
                continue
            found = {"selector": selector(folder, *overrides)}
            found["pool of two"] = bare(folder / "runs" / "trials", 2)
            if in_a_row:
                found["in a row"] = bare(folder / "runs" / "trials", 1)
        finally:
            shutil.rmtree(folder)
        for name, row in found.items():
            assert row["losses"] == found["selector"]["losses"], f"{name} trained something else"
            for what in ("whole", "training"):
                seconds.setdefault(name, {}).setdefault(what, []).append(float(row[what]))  # type: ignore[arg-type]
        runs = len(found["selector"]["losses"])  # type: ignore[arg-type]
        print(json.dumps({name: row["whole"] for name, row in found.items()}), flush=True)
    shutil.rmtree(data)
    middle = {
        name: {what: statistics.median(values) for what, values in row.items()}
        for name, row in seconds.items()
    }
    print(f"\n{runs} runs, {rounds} rounds\n")
    print("| | start-up counted: s | against the pool | without: s | against the pool |")
    print("|---|---|---|---|---|")
    pool = middle["pool of two"]
    for name, row in middle.items():
        cells = [f"{row[what]:.1f} | {pool[what] / row[what]:.3f}" for what in row]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=153600)
    parser.add_argument("--no-row", action="store_true", help="leave out the runs in a row")
    asked = parser.parse_args()
    main(asked.rounds, asked.trials, asked.tokens, in_a_row=not asked.no_row)
