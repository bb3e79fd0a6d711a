"""Repeatability: the same study again with other seeds, and how often an answer is decisive.

    python -m benchmarks.method.repeatability [--sampler refined] [--studies 200]

Two techniques, each with a family of surfaces, an optimum and a level of its own; the levels differ
by a half-normal of 3 seed sd. Each study is made twice at `medium`. About two minutes of one core.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.method.power import MARGIN
from benchmarks.method.search import Plan, search
from benchmarks.method.simulate import Answer, conclude, units
from benchmarks.method.surfaces import FAMILIES, SEED_SD, Array, optima
from selector.study.verdict import VerdictState


def studies(plan: Plan, count: int, seed: int) -> Array:
    """[count, 2, R] units of `count` studies; another `seed` makes the same studies anew."""
    truth = np.random.default_rng(0)
    families = truth.integers(len(FAMILIES), size=(count, 2))
    centres = optima(2 * count, plan.dims, truth).reshape(count, 2, plan.dims)
    levels = np.abs(truth.normal(0.0, 3 * SEED_SD, size=count))
    most = plan.looks[-1]
    found = np.empty((count, 2, most))
    for number, family in enumerate(FAMILIES):
        place = np.argwhere(families == number)
        rows = np.repeat(centres[place[:, 0], place[:, 1]], most, axis=0)
        done = search(plan, family, rows, seed + number)
        found[place[:, 0], place[:, 1]] = done.excess.reshape(-1, most)
    values = units(plan, found, seed + 10)
    values[:, 1] += levels[:, None]
    return values


def main() -> None:
    """Print how two makings of the same studies agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sampler", default="refined")
    parser.add_argument("--studies", type=int, default=200)
    options = parser.parse_args()
    for dims in (1, 2):
        plan = Plan(sampler=options.sampler, dims=dims)
        both = [studies(plan, options.studies, seed) for seed in (100, 200)]
        for margin in (0.0, MARGIN):
            made = [[conclude(study, plan.looks, margin) for study in own] for own in both]
            pairs = list(zip(*made, strict=True))
            same = [one.verdict.recommended == two.verdict.recommended for one, two in pairs]
            open_ = [
                VerdictState.WINNER not in (one.verdict.state, two.verdict.state)
                for one, two in pairs
            ]
            tie = [VerdictState.TIE in (one.verdict.state, two.verdict.state) for one, two in pairs]
            against = [_against(one, two) for one, two in pairs]
            decisive = [
                item.verdict.state is not VerdictState.INSUFFICIENT for own in made for item in own
            ]
            print(
                f"{options.sampler} {dims} dim, margin {margin:.3f}:"
                f" same technique recommended {100 * np.mean(same):.1f} %,"
                f" same or a tie {100 * np.mean(np.array(same) | tie):.1f} %,"
                f" same or no winner in either {100 * np.mean(np.array(same) | open_):.1f} %,"
                f" two different winners {100 * np.mean(against):.1f} %;"
                f" decisive {100 * np.mean(decisive):.1f} %",
                flush=True,
            )


def _against(one: Answer, two: Answer) -> bool:
    """Whether both name a winner, and not the same."""
    return None not in (one.winner, two.winner) and one.winner != two.winner


if __name__ == "__main__":
    main()
