"""Equal-compute curves of published runs: does the best size grow with compute as published?

    python -m benchmarks.method.formll [TABLE]

Porian et al. (arXiv 2406.19146) trained one model family under five protocols, from Kaplan's to
Chinchilla's, on two data sets; the exponent of the best size against compute falls from .83 to .50.
TABLE is their table of losses at equal FLOPs (isoflop_losses.csv).
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from selector.report.isoflop import Budget, growth, valleys
from selector.report.scaling import Refused

TABLE = Path(__file__).parents[2] / "../shared/tables/formll/isoflop_losses.csv"
#: (hparams, warmup, decay, what counts as parameters, which loss) of the protocols, in their order.
PROTOCOLS = {
    "Kaplan's": ("base", "long", "kaplan", "kaplan", "train"),
    "last layer counted": ("base", "long", "kaplan", "standard", "val"),
    "short warmup": ("base", "short", "kaplan", "standard", "val"),
    "cosine to each length": ("base", "short", "chinchilla", "standard", "val"),
    "tuned, constant rate": ("tuned", "short", "const", "standard", "val"),
}
#: scaling_exponents.csv, fit `basic`: what the authors' own code gives.
PUBLISHED = {
    "rw": (0.834, 0.701, 0.604, 0.571, 0.497),
    "owt2": (0.870, 0.700, 0.602, 0.569, 0.518),
}
#: Noise of a loss between seeds in nats, as the authors' own bootstrap takes it (their configs.py).
NOISE = {"rw": 0.002, "owt2": 0.01}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One protocol on one data set."""

    data: str
    protocol: str
    budgets: int
    exponent: float
    low: float
    high: float
    published: float


def lines(table: Path) -> list[Line]:
    """Every protocol on every data set of `table`."""
    runs: dict[tuple[str, ...], dict[float, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            size, loss = float(row["n_params"]), float(row["loss"])
            if size > 0 and loss > 0:  # three rows are nan: nothing was trained at that budget
                key = ("dataset", "hparams", "warmup", "decay", "param_count", "loss_kind")
                runs[tuple(row[name] for name in key)][float(row["flops"])].append((size, loss))
    found = []
    for data, published in PUBLISHED.items():
        for (name, protocol), theirs in zip(PROTOCOLS.items(), published, strict=True):
            budgets = [
                Budget(
                    flops=flops, sizes=tuple(n for n, _ in pairs), losses=tuple(y for _, y in pairs)
                )
                for flops, pairs in sorted(runs[(data, *protocol)].items())
            ]
            grown = growth(valleys(budgets, noise=NOISE[data]))
            if isinstance(grown, Refused):
                continue
            ends = grown.exponent
            found.append(
                Line(
                    data=data,
                    protocol=name,
                    budgets=len(grown.valleys),
                    exponent=ends.value,
                    low=ends.low,
                    high=ends.high,
                    published=theirs,
                )
            )
    return found


def main() -> None:
    """Print the table."""
    table = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE
    print("| data | protocol | budgets | exponent of N* (95 %) | published | difference |")
    print("|---|---|---|---|---|---|")
    for line in lines(table):
        print(
            f"| {line.data} | {line.protocol} | {line.budgets} | {line.exponent:.3f}"
            f" ({line.low:.3f} to {line.high:.3f}) | {line.published:.3f}"
            f" | {line.exponent - line.published:+.3f} |"
        )


if __name__ == "__main__":
    main()
