"""Extended ranges: are they extended where they should be, and does that make false winners?

    python -m benchmarks.method.extension

First how often one sub-search's best lies at the edge, by `Interval.edge`, for optima near and
beyond the upper end. Then two techniques with the same surface, one with its optimum inside, the
other at that place: where the best of enough sub-searches lie at the end (the outer 1/(n + 1)), the
range is made half as wide again, with half as many further trials in the new part, up to twice;
the other arm gets nothing more. Independent random points, one look at eight sub-searches, margin
0; about two minutes of one core.
"""

from __future__ import annotations

import numpy as np

from benchmarks.method.search import Plan, choose, search
from benchmarks.method.simulate import conclude, units
from benchmarks.method.surfaces import SEED_SD, Array, excess
from selector.space.dimension import Interval

STUDIES, PLAN = 600, Plan(looks=(8,))
REPLICATES = PLAN.looks[-1]


def searched(
    family: str, centres: Array, share: float, draw: np.random.Generator
) -> tuple[Array, Array]:
    """Excess of the finalists [studies, R], and how often each study's range was extended.

    `centres` is [studies, d]; the first dimension may be extended, where the best of this `share`
    of the sub-searches lie at its end.
    """
    studies, dims = centres.shape
    points = draw.random((studies, REPLICATES, PLAN.trials, dims))
    truth = excess(family, points, centres[:, None, None])
    values = truth + SEED_SD * draw.standard_normal(truth.shape)
    times, high = np.zeros(studies, dtype=int), np.ones(studies)
    for _ in range(2):
        leader = np.argmin(values, axis=2)[..., None]
        best = np.take_along_axis(points[..., 0], leader, axis=2)[..., 0] / high[:, None]
        grows = np.mean(best >= 1 - 1 / (PLAN.trials + 1), axis=1) >= share
        new = draw.random((studies, REPLICATES, PLAN.trials // 2, dims))
        new[..., 0] = (high[:, None, None]) * (1 + new[..., 0] / 2)
        more = excess(family, new, centres[:, None, None])
        noisy = more + SEED_SD * draw.standard_normal(more.shape)
        noisy[~grows] = np.inf
        points, truth = np.concatenate([points, new], axis=2), np.concatenate([truth, more], axis=2)
        values = np.concatenate([values, noisy], axis=2)
        times, high = times + grows, np.where(grows, 1.5 * high, high)
    flat, known = values.reshape(studies * REPLICATES, -1), truth.reshape(studies * REPLICATES, -1)
    again = known + SEED_SD * draw.standard_normal(known.shape)
    chosen = choose(flat, again, PLAN.screen)
    return known[np.arange(len(flat)), chosen].reshape(studies, REPLICATES), times


def at_edge(plan: Plan, family: str, place: float) -> float:
    """Share of 80 sub-searches whose best lies at the upper end."""
    centres = np.random.default_rng(1).uniform(0.3, 0.7, size=(80, plan.dims))
    centres[:, 0] = place
    done = search(plan, family, centres, 3)
    axis = Interval(low=0.0, high=1.0)
    tried = done.points[..., 0].tolist()
    found = [axis.edge(own[best], own) for own, best in zip(tried, done.finalist, strict=True)]
    return float(np.mean([side == "high" for side in found]))


def judged(family: str, dims: int, place: float, share: float) -> str:
    """Extensions, winners and lead in words: the other optimum inside, this one at `place`."""
    draw = np.random.default_rng(int(100 * place))
    inside = draw.uniform(0.3, 0.7, size=(STUDIES, dims))
    edge = inside.copy()
    edge[:, 0] = place
    one, _ = searched(family, inside, 2.0, draw)
    other, times = searched(family, edge, share, draw)
    values = units(PLAN, np.stack([one, other], axis=1), seed=3)
    won = [conclude(study, PLAN.looks).winner for study in values]
    shares = [100 * float(np.mean([arm == name for arm in won])) for name in (0, 1)]
    lead = (other[np.isfinite(other)].mean() - one[np.isfinite(one)].mean()) / SEED_SD
    return f"{times.mean():.1f}, {shares[0]:5.1f} {shares[1]:4.1f} %, {lead:+6.1f}"


def main() -> None:
    """Print how often a best lies at the edge, then what extensions change."""
    families, places = ("quadratic", "flat", "asymmetric"), (0.8, 0.9, 0.97, 1.1, 1.4)
    print("share of sub-searches whose best lies at the end, optimum at", places)
    for sampler in ("refined", "qmc"):
        for dims in (1, 2):
            for family in families:
                row = [at_edge(Plan(sampler=sampler, dims=dims), family, item) for item in places]
                print(f"{sampler:8s} {dims} dim {family:10s}", *(f"{x:5.2f}" for x in row))
    print("extensions, winner inside and at the edge, lead of inside in seed sd; where the best of")
    print("a half | a quarter | no number of sub-searches at the end extend the range")
    for dims in (1, 2):
        for family in families:
            for place in (0.7, *places[1:]):
                row = [judged(family, dims, place, share) for share in (0.5, 0.25, 2.0)]
                print(f"{dims} dim {family:10s} {place:4.2f}  " + "  | ".join(row), flush=True)


if __name__ == "__main__":
    main()
