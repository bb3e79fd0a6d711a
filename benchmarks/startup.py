"""How long the commands take that only show something, beside what they could cost at worst.

    python benchmarks/startup.py

Each command runs in turn, twelve rounds, so that a noisy machine disturbs all of them alike. Goals:
`selector --help` in 0.3 s, `selector plan quickstart` in 1.5 s, neither importing torch.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 12
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "selector --help": [sys.executable, "-m", "selector.cli", "--help"],
    "selector list": [sys.executable, "-m", "selector.cli", "list"],
    "selector plan quickstart": [sys.executable, "-m", "selector.cli", "plan", "quickstart"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run of `command`."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def imports_torch(command: list[str]) -> bool:
    """Whether python -X importtime saw torch."""
    traced = [command[0], "-X", "importtime", *command[1:]]
    done = subprocess.run(traced, check=True, capture_output=True, text=True)
    return any(line.rpartition("|")[2].strip() == "torch" for line in done.stderr.splitlines())


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            name: [*command, "--runs", folder] if "plan" in name else command
            for name, command in COMMANDS.items()
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                times[name].append(seconds(command))
        print(f"{'command':28} {'median s':>9} {'slowest s':>10}  imports torch")
        for name, command in commands.items():
            row = times[name]
            print(
                f"{name:28} {statistics.median(row):9.3f} {max(row):10.3f}"
                f"  {'yes' if imports_torch(command) else 'no'}"
            )


if __name__ == "__main__":
    main()
