"""Regret at an equal number of runs: samplers of ours in arms against plain Optuna.

    python -m benchmarks.method.regret [--repeats 40] [--slow-repeats 6]

A search picks the run with the best (noisy) loss; its regret is that setting's expected loss above
the best possible, in nats. Plain Optuna is used as its tutorial does: default arguments, `tell` of
the final loss, diverged runs told as a violated constraint at the worst loss seen plus one. Its
Hyperband is TPE with HyperbandPruner over thirds of a run, given as many whole runs' worth of
training. Ratios are of mean regrets in a cell (surface, dimensions, trials), ours over theirs; the
table's last lines are medians over cells.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import optuna

from benchmarks.method.regret_problems import KINDS, WHOLE, Surface, surface, techniques
from selector.config.compose import load_yaml
from selector.config.decode import Mistakes, technique
from selector.config.locations import conf_folder
from selector.space.dimension import Interval
from selector.space.space import Space
from selector.study.sampler import Ask, Past, ask_seed, make_sampler
from selector.study.telling import told
from selector.track.run import Outcome

OURS = ("random", "qmc", "refined", "tpe", "gp", "cmaes")
PLAIN = ("random", "tpe", "gp", "hyperband")
#: Takes a tenth of a second for each of its fits, which begin after 4 trials (a plain GP: 10).
SLOW = "ours gp"
TRIALS, DIMENSIONS = (8, 16), (1, 2, 3)

Pick = tuple[int, np.ndarray, float]
"""Which surface (technique), where, and the noisy loss there."""


def ours(name: str, task: Surface, trials: int, seed: int, noise: np.ndarray) -> Pick:
    """A sub-search of `trials` with a sampler of ours; `noise` is added run by run."""
    mapping = load_yaml(conf_folder() / "sampler" / f"{name}.yaml")
    settings = technique(mapping, "sampler", Mistakes())
    assert settings is not None
    sampler = make_sampler(settings)
    keys = [f"x{place}" for place in range(len(task.best))]
    space = Space(dimensions={key: Interval(low=0.0, high=1.0) for key in keys})
    past: list[Past] = []
    known: list[float] = []
    best: Pick = (0, task.best, np.inf)
    for index in range(trials):
        values = sampler.suggest(
            Ask(
                space=space,
                index=index,
                past=past,
                seed=ask_seed(seed, "arm", 0, index),
                minimize=True,
                total=trials,
                search_seed=ask_seed(seed, "arm", 0, 0),
            )
        )
        point = np.array([values[key] for key in keys], dtype=float)
        loss = task.true(point) + noise[index]
        outcome = Outcome.COMPLETE if np.isfinite(loss) else Outcome.DIVERGED
        past.append(Past(values=values, told=told(outcome, loss, known, minimize=True)))
        if outcome is Outcome.COMPLETE:
            known.append(loss)
            best = min(best, (0, point, loss), key=lambda pick: pick[2])
    return best


def plain(name: str, tasks: Sequence[Surface], trials: int, seed: int, noise: np.ndarray) -> Pick:
    """One Optuna study over all `tasks`: with several, the technique is a categorical key."""
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
        "hyperband": lambda: optuna.samplers.TPESampler(seed=seed),
    }
    banded = name == "hyperband"
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=WHOLE, reduction_factor=3)
    study = optuna.create_study(
        study_name=str(seed),
        sampler=samplers[name](),
        pruner=pruner if banded else optuna.pruners.NopPruner(),
    )
    best: Pick = (0, tasks[0].best, np.inf)
    spent, worst, generator = 0, 0.0, np.random.default_rng(seed)
    while spent < trials * WHOLE:
        trial = study.ask()
        which = trial.suggest_categorical("technique", range(len(tasks))) if len(tasks) > 1 else 0
        task = tasks[which]
        keys = [f"t{which}_x{place}" for place in range(len(task.best))]
        point = np.array([trial.suggest_float(key, 0.0, 1.0) for key in keys])
        if not np.isfinite(task.true(point)):  # after a ninth of its run
            spent += 1 if banded else WHOLE
            trial.set_constraint("diverged", 1.0)
            study.tell(trial, worst + 1)
            continue
        trial.set_constraint("diverged", -1.0)
        draw = generator.normal(0, noise.std()) if banded else noise[spent // WHOLE]
        if banded and _pruned(trial, task, point, draw):
            spent += trial.study.trials[-1].last_step or 1
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        spent += WHOLE
        loss = task.true(point) + float(draw)
        worst = max(worst, loss)
        study.tell(trial, loss)
        best = min(best, (which, point, loss), key=lambda pick: pick[2])
    return best


def _pruned(trial: optuna.Trial, task: Surface, point: np.ndarray, draw: float) -> bool:
    for step in range(1, WHOLE):
        trial.report(task.after(step, point) + draw, step)
        if trial.should_prune():
            return True
    return False


def single_regret(kind: str, dimensions: int, trials: int, name: str, repeat: int) -> float:
    """The regret of one search on one surface; a search in which all diverged: one nat."""
    place = [repeat, KINDS.index(kind), dimensions, trials]
    generator = np.random.default_rng(place)
    task = surface(kind, dimensions, generator)
    noise = generator.uniform(0.002, 0.005) * generator.standard_normal(trials)
    method, _, sampler = name.partition(" ")
    seed = ask_seed(repeat, kind, dimensions, trials)
    if method == "ours":
        _, point, loss = ours(sampler, task, trials, seed, noise)
    else:
        _, point, loss = plain(sampler, [task], trials, seed, noise)
    return task.true(point) if np.isfinite(loss) else 1.0


def choice_regret(trials: int, name: str, repeat: int) -> float:
    """The regret of technique and setting, `trials` for each of three techniques."""
    generator = np.random.default_rng([repeat, 77, trials])
    tasks = techniques(generator)
    noise = generator.uniform(0.002, 0.005) * generator.standard_normal((len(tasks), trials))
    method, _, sampler = name.partition(" ")
    seed = ask_seed(repeat, "choice", 0, trials)
    if method == "ours":
        picks = [
            ours(sampler, task, trials, seed + place, noise[place])
            for place, task in enumerate(tasks)
        ]
        which = min(range(len(tasks)), key=lambda place: picks[place][2])
        return tasks[which].true(picks[which][1])
    which, point, loss = plain(sampler, tasks, trials * len(tasks), seed, noise.ravel())
    return tasks[which].true(point) if np.isfinite(loss) else 1.0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of problem."""

    column: str
    """Cells of one column are averaged in the table."""
    regret: Callable[[str, int], float]
    """Of a method at a repeat."""


def single_cells() -> list[Cell]:
    """Every surface in 1, 2 and 3 dimensions (a rotated one has two), with 8 and 16 trials."""
    return [
        Cell(
            column=f"{dimensions}d n={trials}",
            regret=partial(single_regret, kind, dimensions, trials),
        )
        for trials in TRIALS
        for dimensions in DIMENSIONS
        for kind in KINDS
        if dimensions > 1 or kind != "rotated"
    ]


def choice_cells() -> list[Cell]:
    """Three techniques, 8 and 16 trials for each."""
    return [
        Cell(column=f"3 x {trials} trials", regret=partial(choice_regret, trials))
        for trials in TRIALS
    ]


def measure(
    cells: Sequence[Cell], names: Sequence[str], repeats: Callable[[str], int]
) -> dict[str, list[np.ndarray]]:
    """Regrets by method: for each cell an array of repeats; prints a row for each method."""
    columns = list(dict.fromkeys(cell.column for cell in cells))
    print("| mean regret, 1e-3 nats | " + " | ".join(columns) + " | repeats | s |")
    print("|---" * (len(columns) + 3) + "|")
    found: dict[str, list[np.ndarray]] = {}
    for name in names:
        start = time.perf_counter()
        count = repeats(name)
        found[name] = [
            np.array([cell.regret(name, repeat) for repeat in range(count)]) for cell in cells
        ]
        means = [
            statistics.mean(
                1000 * item.mean()
                for item, cell in zip(found[name], cells, strict=True)
                if cell.column == column
            )
            for column in columns
        ]
        row = " | ".join(f"{mean:.1f}" for mean in means)
        seconds = time.perf_counter() - start
        print(f"| {name} | {row} | {count} | {seconds:.0f} |", flush=True)
    return found


def print_ratios(found: Mapping[str, Sequence[np.ndarray]], own: str, title: str) -> None:
    """Ratios of mean regrets by rival, over cells: the median and the largest.

    Each is taken on the repeats (the same problems) that both methods have.
    """
    print(f"\n| {own}, ratio of mean regrets, {title} | median of cells | largest |\n|---|---|---|")
    by_rival = {
        rival: [
            float(mine[: len(other)].mean() / other[: len(mine)].mean())
            for mine, other in zip(found[own], found[rival], strict=True)
        ]
        for rival in found
        if rival.startswith("plain")
    }
    best = [max(cell) for cell in zip(*by_rival.values(), strict=True)]
    for rival, cells in {**by_rival, "whichever plain one is best in the cell": best}.items():
        print(f"| to {rival} | {statistics.median(cells):.2f} | {max(cells):.2f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--slow-repeats", type=int, default=6, help=f"of {SLOW}")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")  # of what is experimental in Optuna

    def repeats(name: str) -> int:
        return given.slow_repeats if name == SLOW else given.repeats

    plains = [f"plain {name}" for name in PLAIN]
    found = measure(single_cells(), [f"ours {name}" for name in OURS] + plains, repeats)
    print_ratios(found, "ours refined", "single-arm problems")
    print()
    fast = [f"ours {name}" for name in OURS if f"ours {name}" != SLOW]
    found = measure(choice_cells(), fast + plains, repeats)
    print_ratios(found, "ours refined", "conditional problems")


if __name__ == "__main__":
    main()
