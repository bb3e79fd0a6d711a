"""Sub-searches on surfaces with known truth, proposing and telling with the package's own code.

Left out are trainings, records and processes. Seed noise has a part that all arms share on one seed
(`correlation`); inside a sub-search that part is the same for all trials, so it is left out here.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.method import surfaces
from benchmarks.method.surfaces import SEED_SD, Array, excess, optima
from selector.config.technique import Technique
from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study import sampler
from selector.study.sampler import Ask, Past, make_sampler
from selector.study.telling import told
from selector.track.run import Outcome

#: Samplers that need no results: every study gets sub-searches of its own.
FAST = ("random", "qmc")
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Seed noise of standard deviation one."""
    return generator.standard_normal(shape)


def heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The same with Student's tails of three degrees of freedom."""
    return generator.standard_t(3, size=shape) / np.sqrt(3)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a simulated study does; the defaults are the budget `medium`."""

    sampler: str = "refined"
    dims: int = 2
    trials: int = 16
    screen: int = 2
    verdict_seeds: int = 3
    looks: tuple[int, ...] = (4, 8)
    correlation: float = 0.0
    noise: Noise = normal


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Sub-searches that are over, one a row."""

    excess: Array
    """[n] of the finalist, without noise."""
    points: Array
    """[n, trials, d] in the unit cube."""
    values: Array
    """[n, trials] as trained, without the arm's level and the seed's shared part; inf: diverged."""
    finalist: Array
    """[n] index of the finalist."""


def search(
    plan: Plan, family: str, centres: Array, seed: int, scale: float | None = None
) -> Searched:
    """One independent sub-search for every row of `centres` [n, d]."""
    generator = np.random.default_rng(seed)
    own = SEED_SD * np.sqrt(1 - plan.correlation)
    noise = own * plan.noise(generator, (len(centres), plan.trials))
    points = np.empty((len(centres), plan.trials, plan.dims))
    values = np.empty((len(centres), plan.trials))
    for row, centre in enumerate(centres):
        points[row], values[row] = _propose(plan, family, centre, noise[row], seed, row, scale)
    truth = excess(family, points, centres[:, None], scale)
    finalist = choose(values, truth + own * plan.noise(generator, truth.shape), plan.screen)
    rows = np.arange(len(centres))
    return Searched(excess=truth[rows, finalist], points=points, values=values, finalist=finalist)


def _propose(
    plan: Plan, family: str, centre: Array, noise: Array, seed: int, row: int, scale: float | None
) -> tuple[Array, Array]:
    """Points and values of one sub-search, asked and told one by one."""
    proposer = make_sampler(Technique(name=plan.sampler, values={"explore_share": 0.5}))
    keys = [f"x{number}" for number in range(plan.dims)]
    space = Space(dimensions={key: Interval(low=0.0, high=1.0) for key in keys})
    draw = np.random.default_rng([seed, row])
    seeds = [int(item) for item in draw.integers(2**32, size=plan.trials + 1)]
    past: list[Past] = []
    known: list[float] = []
    points, values = [], []
    for index in range(plan.trials):
        found = proposer.suggest(
            Ask(
                space=space,
                index=index,
                past=past,
                seed=seeds[index],
                minimize=True,
                total=plan.trials,
                search_seed=seeds[-1],
            )
        )
        point = np.array([found[key] for key in keys])
        value = float(excess(family, point, centre, scale) + noise[index])
        outcome = Outcome.COMPLETE if np.isfinite(value) else Outcome.DIVERGED
        answer = told(outcome, value, known, minimize=True)
        past.append(Past(values=found, told=answer))
        if outcome is Outcome.COMPLETE:
            known.append(value)
        points.append(point)
        values.append(value)
    return np.array(points), np.array(values)


def choose(explored: Array, screened: Array, screen: int, weight: float = 0.5) -> Array:
    """[n] the finalist's index: of the best `screen` explored, the best mean of both values.

    `weight` is the screening value's part of the mean.
    """
    rows = np.arange(len(explored))[:, None]
    best = np.argsort(explored, axis=1, kind="stable")[:, : max(1, screen)]
    if screen < 2:
        return best[:, 0]
    mean = (1 - weight) * explored[rows, best] + weight * screened[rows, best]
    return best[rows[:, 0], np.argmin(mean, axis=1)]


def finalists(plan: Plan, family: str, *, studies: int, arms: int, seed: int = 1) -> Array:
    """[studies, arms, R] excess of the finalists of identical techniques, R as the last look has.

    A study's optimum lies somewhere else. Sub-searches of one optimum are exchangeable, so where a
    sampler is slow they are dealt out several times: to five studies of four arms each.
    """
    most = plan.looks[-1]
    truths = max(1, studies // 5) if plan.sampler not in FAST else studies
    generator = np.random.default_rng([seed, plan.dims])
    centres = np.repeat(optima(truths, plan.dims, generator), arms * most, axis=0)
    pool = _kept(plan, family, centres, seed).reshape(truths, arms * most)
    rows = np.arange(studies) % truths
    order = np.tile(np.arange(arms * most), (studies, 1))
    dealt = pool[rows[:, None], generator.permuted(order, axis=1)]
    return dealt.reshape(studies, arms, most)


def _kept(plan: Plan, family: str, centres: Array, seed: int) -> Array:
    """The finalists' excess, kept in the temporary folder for the other benchmarks.

    The file's name is a hash of all that it follows from, the source of samplers included.
    """
    sources = [*Path(sampler.__file__).parent.glob("*.py"), Path(__file__), Path(surfaces.__file__)]
    text = [
        str({**vars(plan), "noise": plan.noise.__name__, "looks": 0}),
        family,
        str(len(centres)),
        str(seed),
        *(f.read_text() for f in sources),
    ]
    name = hashlib.sha256("".join(text).encode()).hexdigest()[:16]
    file = Path(tempfile.gettempdir()) / "selector-benchmarks" / f"{name}.npy"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        np.save(file, search(plan, family, centres, seed).excess)
    return np.load(file)
