"""Power: how often a technique that is truly better by 1, 2 or 4 seed sd wins, at what cost.

    python -m benchmarks.method.power [--samplers refined qmc random]

Budget `medium`, one arm better than one or three equal others, which is the hardest case. The
default margin (.5 % of a loss of 3 is 3.75 seed sd here) would call 2 seed sd practically equal, so
the margin is 0; the share that the default margin leaves is printed beside it. 1,000 studies in
every cell, with the sub-searches of `calibration`; about four minutes beyond those a sampler.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.method.calibration import STUDIES, conditions
from benchmarks.method.search import Plan, finalists
from benchmarks.method.simulate import BEST, conclude, units
from benchmarks.method.surfaces import SEED_SD, Array
from selector.study.verdict import margin_of

ARMS, DIFFERENCES = (2, 4), (1.0, 2.0, 4.0)
#: conf/selector_study.yaml's margin for these losses.
MARGIN = margin_of(BEST, absolute=0.01, share=0.005)


def measure(values: Array, difference: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """Shares in %: found, wrong winner, runs saved by the first look, found with the margin."""
    better = values.copy()
    better[:, 0] -= difference * SEED_SD
    answers = [conclude(study, looks) for study in better]
    won = np.array([answer.winner for answer in answers], dtype=object)
    leads = [
        min(item.lead for item in answer.verdict.comparisons) if answer.winner == 0 else 0.0
        for answer in answers
    ]
    used = np.mean([answer.units for answer in answers])
    return (
        100 * float(np.mean(won == 0)),
        100 * float(np.mean([arm not in (0, None) for arm in won])),
        100 * float(1 - used / looks[-1]),
        100 * float(np.mean(np.array(leads) > MARGIN)),
    )


def main() -> None:
    """Print one row for each condition, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", nargs="+", default=["refined"])
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--correlations", nargs="+", type=float, default=[0.0, 0.5])
    options = parser.parse_args()
    print("found % (wrong %, runs saved %, found beyond the default margin %) at 1, 2, 4 seed sd")
    for sampler in options.samplers:
        table: dict[tuple[int, int], list[list[tuple[float, ...]]]] = {}
        for dims, correlation, family in conditions(options.correlations):
            plan = Plan(sampler=sampler, dims=dims, correlation=correlation)
            found = finalists(plan, family, studies=options.studies, arms=max(ARMS))
            values = units(plan, found, seed=3)
            for arms in ARMS:
                row = [measure(values[:, :arms], item, plan.looks) for item in DIFFERENCES]
                table.setdefault((dims, arms), []).append(row)
                name = f"{sampler:8s} {dims} dim  corr {correlation:.1f}  {family:10s} {arms} arms "
                print(name, "  ".join(map(_cell, row)), flush=True)
        for (dims, arms), rows in table.items():
            means = np.mean(rows, axis=0)
            least = np.min(rows, axis=0)[:, 0].round(1)
            name = f"{sampler:8s} {dims} dim  mean                 {arms} arms "
            print(name, "  ".join(map(_cell, means)), f" least {least}", flush=True)


def _cell(item: tuple[float, ...]) -> str:
    found, wrong, saved, beyond = item
    return f"{found:5.1f} ({wrong:.1f}, {saved:2.0f}, {beyond:2.0f})"


if __name__ == "__main__":
    main()
