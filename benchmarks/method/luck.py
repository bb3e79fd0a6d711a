"""How much of the spread between sub-searches is the search's luck: the table in study/power.py.

    python -m benchmarks.method.luck

Standard deviation of a finalist's true loss between sub-searches of one technique, in seed standard
deviations: the root mean square over the families of surfaces. 150 sub-searches a family and cell,
two screened from eight trials on; about a minute of one core.
"""

from __future__ import annotations

import numpy as np

from benchmarks.method.search import Plan, search
from benchmarks.method.surfaces import FAMILIES, SEED_SD, optima

SUB_SEARCHES, TRIALS, DIMS = 150, (4, 8, 16), (1, 2, 3)


def luck(plan: Plan, family: str) -> float:
    """In seed standard deviations."""
    centres = optima(SUB_SEARCHES, plan.dims, np.random.default_rng(plan.dims))
    found = search(plan, family, centres, seed=5).excess
    return float(found[np.isfinite(found)].std()) / SEED_SD


def main() -> None:
    """Print a row for each sampler and number of trials."""
    print("sampler  trials  " + "  ".join(f"{dims} tuned" for dims in DIMS))
    for sampler in ("refined", "qmc", "random"):
        for trials in TRIALS:
            row = []
            for dims in DIMS:
                plan = Plan(sampler=sampler, dims=dims, trials=trials, screen=2 * (trials > 8))
                found = [luck(plan, family) for family in FAMILIES]
                row.append(float(np.sqrt(np.mean(np.square(found)))))
            print(f"{sampler:8s} {trials:6d}  " + "  ".join(f"{item:7.2f}" for item in row))


if __name__ == "__main__":
    main()
