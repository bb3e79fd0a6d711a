"""A/A: how often identical techniques get a winner, and how often intervals hold the truth.

    python -m benchmarks.method.calibration [--samplers refined qmc random] [--noise heavy]

Budget `medium` (16 trials, 2 screened, 3 verdict seeds, looks at 4 and 8 sub-searches), margin 0,
which gives the most winners. 1,000 studies in every row; about twelve minutes of one core for
`refined` (a few seconds when its sub-searches are still in the temporary folder), three for `qmc`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.method import search
from benchmarks.method.search import Plan, finalists
from benchmarks.method.simulate import conclude, units
from benchmarks.method.surfaces import FAMILIES, SEED_SD, Array

STUDIES, ARMS = 1000, (2, 3, 4)


def conditions(correlations: Sequence[float] = (0.0, 0.5)) -> list[tuple[int, float, str]]:
    """(tuned dimensions, correlation, family); with one dimension rotated is quadratic."""
    return [
        (dims, correlation, family)
        for dims in (1, 2)
        for correlation in correlations
        for family in FAMILIES
        if dims > 1 or family != "rotated"
    ]


def measure(values: Array, looks: tuple[int, ...]) -> dict[str, float]:
    """Shares of the studies `values` [studies, arms, R] of identical techniques.

    winner: one was named. headline: the interval against the closest rival holds 0. dunnett, tukey:
    all of the family do.
    """
    answers = [conclude(study, looks) for study in values]
    verdicts = [answer.verdict for answer in answers if answer.verdict.comparisons]
    headline = [min(item.comparisons, key=lambda claim: claim.lead) for item in verdicts]
    rows = {
        "winner": [answer.winner is not None for answer in answers],
        "headline": [item.low <= 0 <= item.high for item in headline if item.low is not None],
        "dunnett": [all(_holds(claim) for claim in item.against_baseline) for item in verdicts],
        "tukey": [all(_holds(claim) for claim in item.pairs) for item in verdicts],
    }
    return {name: float(np.mean(found)) for name, found in rows.items()}


def _holds(claim) -> bool:  # type: ignore[no-untyped-def]
    return claim.low is None or claim.low <= 0 <= claim.high


def main() -> None:
    """Print one row for each condition, and the averages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", nargs="+", default=["refined", "qmc", "random"])
    parser.add_argument("--noise", choices=("normal", "heavy"), default="normal")
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--correlations", nargs="+", type=float, default=[0.0, 0.5])
    options = parser.parse_args()
    print("winner % with 2, 3, 4 arms | headline interval covers % | Dunnett, Tukey (4) cover %")
    for sampler in options.samplers:
        rows = []
        for dims, correlation, family in conditions(options.correlations):
            plan = Plan(
                sampler=sampler,
                dims=dims,
                correlation=correlation,
                noise=getattr(search, options.noise),
            )
            found = finalists(plan, family, studies=options.studies, arms=max(ARMS))
            values = units(plan, found, seed=2)
            parts = [measure(values[:, :arms], plan.looks) for arms in ARMS]
            rows.append([part["winner"] for part in parts])
            luck = found[np.isfinite(found)].std() / (SEED_SD / 3**0.5)
            print(
                f"{sampler:8s} {dims} dim  corr {correlation:.1f}  {family:10s}",
                " ".join(f"{100 * part['winner']:5.1f}" for part in parts),
                "|",
                " ".join(f"{100 * part['headline']:5.1f}" for part in parts),
                "|",
                f"{100 * parts[-1]['dunnett']:5.1f} {100 * parts[-1]['tukey']:5.1f}",
                f"  luck {100 * luck**2 / (1 + luck**2):.0f} %",
                flush=True,
            )
        table = 100 * np.array(rows)
        print(
            f"{sampler:8s} mean {table.mean():.2f} %, by arms {table.mean(axis=0).round(2)},"
            f" largest {table.max():.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
