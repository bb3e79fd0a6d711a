"""The adjusted second estimate: how often its interval holds the difference of the optima.

    python -m benchmarks.method.adjusted [--samplers refined qmc random]

Two arms whose optima are equally low, with the same curvature or the second's nine times as strong;
4 and 8 sub-searches of 16 trials, three verdict seeds. 60 pairs a row, so that 95 % has a standard
error of 3 points; about two minutes of one core for `refined`, one for the others together.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.method.search import Plan, Searched, search
from benchmarks.method.surfaces import FAMILIES, SCALES, SEED_SD, optima
from selector.study.adjusted import Runs, difference

PAIRS, MOST = 60, 8


def runs_of(plan: Plan, done: Searched, pair: int, count: int, draw: np.random.Generator) -> Runs:
    """What the arm number `pair` of `done` trained in its first `count` sub-searches."""
    rows = np.arange(pair * MOST, pair * MOST + count)
    best = done.points[rows, done.finalist[rows]]
    names, seeds = np.arange(count), plan.verdict_seeds
    again = np.repeat(done.excess[rows], seeds)
    again = again + SEED_SD * draw.standard_normal(again.shape)
    units = np.concatenate(
        [done.points[rows].reshape(-1, plan.dims), np.repeat(best, seeds, axis=0)]
    )
    values = np.concatenate([done.values[rows].ravel(), again])
    sub_search = np.concatenate([np.repeat(names, plan.trials), np.repeat(names, seeds)])
    known = np.isfinite(values)
    return Runs(units=units[known], values=values[known], sub_search=sub_search[known])


def main() -> None:
    """Print coverage, how often there is no estimate, bias and median half-width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", nargs="+", default=["refined", "qmc", "random"])
    options = parser.parse_args()
    print("covers %, no estimate %, bias and half-width in seed sd")
    for sampler in options.samplers:
        for dims in (1, 2):
            plan = Plan(sampler=sampler, dims=dims)
            for family in FAMILIES[: 3 if dims == 1 else 4]:
                draw = np.random.default_rng(3)
                arms = [
                    search(
                        plan,
                        family,
                        np.repeat(optima(PAIRS, dims, draw), MOST, axis=0),
                        seed,
                        scale,
                    )
                    for seed, scale in ((1, None), (2, None), (3, 9 * SCALES[family]))
                ]
                for number, name in ((1, "same"), (2, "1:9")):
                    row = []
                    for count in (4, MOST):
                        pairs = [
                            difference(
                                runs_of(plan, arms[0], pair, count, draw),
                                runs_of(plan, arms[number], pair, count, draw),
                                minimize=True,
                            )
                            for pair in range(PAIRS)
                        ]
                        found = [item for item in pairs if item is not None]
                        none = 100 * (1 - len(found) / PAIRS)
                        if not found:
                            row.append(f"R={count}: none {none:3.0f}")
                            continue
                        covers = 100 * np.mean([item.low <= 0 <= item.high for item in found])
                        bias = np.mean([item.lead for item in found]) / SEED_SD
                        half = np.median([item.high - item.lead for item in found]) / SEED_SD
                        row.append(
                            f"R={count}: covers {covers:5.1f} none {none:3.0f}"
                            f" bias {bias:+5.2f} half {half:5.2f}"
                        )
                    print(f"{sampler:8s} {dims} dim {family:10s} {name:5s}", *row, flush=True)


if __name__ == "__main__":
    main()
