"""Rungs against pruning, on complete curves of published trainings.

    python -m benchmarks.method.rungs ../shared/tables/lr_scheduling

fabian-sp/lr-scheduling: a 124M Llama on SlimPajama, trained with different schedules and peak rates
for 15,000, 25,000 and 50,000 iterations, each length with its own whole schedule. Only runs that
reach 98 % of their iterations count. A *configuration* is schedule, decay share, decay form, final
rate and peak rate; its *loss at T* is the final validation loss of its run of T iterations (of
repeated runs the mean), its *curve* the validation losses on the way of the (first) longest run.

A resampled study is SUBSET of the configurations that were trained for 15k and for 50k, in random
order, each training with seed luck of its own (SEED, as repeated runs differ by .001 to .004).
*The true best* of a study is the one with the lowest loss at 50k before that luck; a method *finds*
it where it trains it to the end. `near`: it trains one to the end whose loss is at most NEAR above;
`regret`: how far above the best of those trained to the end is. Methods, at equal tokens:

- rungs: all are trained for 15k (complete short trainings); a third of them, the best but one and
  one drawn at random, are trained again for 50k, as a study's rungs do. Its tokens are everybody's.
- median, Hyperband: Optuna's pruners, told the real curves every 2,500 iterations; trials one after
  another until all are over or the tokens are spent. Of several settings each; the best one counts.
- no pruning: whole trainings until the tokens are spent.

With one schedule shape, a study is five of the peak rates that one shape was trained with at 50k.
"""

from __future__ import annotations

import argparse
import bisect
import math
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scipy.stats import spearmanr

from selector.launch.table import read_table

SHORT, LONG = 15_000, 50_000
SUBSET = 14
SEED, NEAR = 0.0015, 0.002
EVERY = 2_500
REDUCTION = 3
STUDIES, PRUNED_STUDIES = 2000, 300
#: Names of files end alike for all lengths of a configuration, but for the iterations.
_KEY = re.compile(r"(grad_norm/|_iter\d+.*|slimpajama_llama_norm_nlayers12_nhead12_)")


@dataclass(kw_only=True)
class Configuration:
    """What one schedule and peak rate came to at each length."""

    shape: str
    rate: float
    losses: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Iterations -> final losses of its runs of that length."""
    curve: list[tuple[int, float]] = field(default_factory=list)
    """Of the run of 50k: (iteration, loss)."""
    truth: float = math.nan
    """The loss at 50k without seed luck."""

    def trained(self, draw: random.Random) -> Configuration:
        """The configuration with new seed luck in each of its trainings."""
        luck = {length: draw.gauss(0, SEED) for length in sorted(self.losses)}
        return Configuration(
            shape=self.shape,
            rate=self.rate,
            losses={length: [self.loss(length) + luck[length]] for length in luck},
            curve=[(step, value + luck[LONG]) for step, value in self.curve],
            truth=self.loss(LONG),
        )

    def loss(self, iterations: int) -> float:
        """The final loss at a length."""
        return statistics.fmean(self.losses[iterations])

    def at(self, iteration: int) -> float:
        """The loss on the way, at the last evaluation up to `iteration`."""
        place = bisect.bisect_right(self.curve, (iteration, math.inf)) - 1
        return self.curve[max(place, 0)][1]


def configurations(folder: Path) -> list[Configuration]:
    """Every configuration of the 124M model on SlimPajama with a complete run."""
    runs, points = read_table(folder / "runs.csv"), read_table(folder / "val_curves.csv.gz")
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    steps, values = points.numbers("iter"), points.numbers("val_loss")
    for path, step, value in zip(points.column("path"), steps, values, strict=True):
        if step is not None and value is not None:
            curves[path].append((int(step), value))
    found: dict[str, Configuration] = {}
    columns = ("path", "dataset", "n_layer", "n_embd", "lr", "iterations", "final_val_loss")
    for row in zip(*(runs.column(name) for name in columns), strict=True):
        path, dataset, depth, width, rate, iterations, loss = row
        if (dataset, depth, width) != ("slimpajama", "12", "768") or not loss:
            continue
        curve, length = sorted(curves[path]), int(iterations)
        if not curve or curve[-1][0] < 0.98 * length:
            continue
        key = _KEY.sub("", path)
        shape = re.sub(r"_?lr[\d.]+", "", key)
        item = found.setdefault(key, Configuration(shape=shape, rate=float(rate)))
        item.losses[length].append(float(loss))
        if length == LONG and not item.curve:
            item.curve = curve
    return list(found.values())


@dataclass
class Spent:
    """What one study of a method came to."""

    finished: list[Configuration]
    """Trained to the end at 50k."""
    iterations: float


def rungs(study: Sequence[Configuration], draw: random.Random) -> Spent:
    """Complete short trainings; the best third but one, and one at random, get the whole length."""
    count = max(2, math.ceil(len(study) / REDUCTION))
    ranked = sorted(study, key=lambda item: item.loss(SHORT))
    promoted = [*ranked[: count - 1], draw.choice(ranked[count - 1 :])]
    return Spent(promoted, SHORT * len(study) + LONG * count)


def whole(study: Sequence[Configuration], budget: float) -> Spent:
    """Whole trainings, one after another."""
    count = min(len(study), int(budget // LONG))
    return Spent(list(study[:count]), LONG * count)


def pruned(
    study: Sequence[Configuration], make: Callable[[], object], budget: float = math.inf
) -> Spent:
    """Optuna's pruner on the curves, one trial after another."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spent = Spent([], 0)
    # Hyperband takes a trial's bracket from the study's name, which is random where none is given.
    search = optuna.create_study(study_name="rungs", pruner=make())  # type: ignore[arg-type]
    for item in study:
        trial = search.ask()
        for step in range(EVERY, LONG + 1, EVERY):
            if spent.iterations + EVERY > budget:
                return spent
            spent.iterations += EVERY
            trial.report(item.at(step), step)
            if step < LONG and trial.should_prune():
                search.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            search.tell(trial, item.loss(LONG))
            spent.finished.append(item)
    return spent


def pruners() -> dict[str, Callable[[], object]]:
    """Settings of each pruner, the defaults among them."""
    from optuna.pruners import HyperbandPruner, MedianPruner

    def median(startup: int, warmup: int) -> Callable[[], object]:
        return lambda: MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup)

    def hyperband(least: int) -> Callable[[], object]:
        return lambda: HyperbandPruner(min_resource=least, max_resource=LONG, reduction_factor=3)

    return {
        **{
            f"median, {startup} trials first, from {warmup or EVERY} on": median(startup, warmup)
            for startup in (2, 5)
            for warmup in (0, 5_000, 15_000, 25_000)
        },
        **{f"Hyperband, least {least}": hyperband(least) for least in (2_500, 5_000, 15_000)},
    }


def score(studies: Iterable[tuple[Sequence[Configuration], Spent]]) -> dict[str, float]:
    """Shares of studies that find the true best and one near it, mean regret and iterations."""
    rows = []
    for study, spent in studies:
        best = min(study, key=lambda item: item.truth)
        least = min((item.truth for item in spent.finished), default=math.inf)
        found = any(item is best for item in spent.finished)
        regret = least - best.truth
        rows.append((found, regret <= NEAR, regret, spent.iterations))
    finds, near, regrets, iterations = zip(*rows, strict=True)
    return {
        "found": statistics.fmean(finds),
        "near": statistics.fmean(near),
        "regret": statistics.fmean(min(regret, 1.0) for regret in regrets),
        "iterations": statistics.fmean(iterations),
    }


def correlation(pairs: Iterable[tuple[float, float]]) -> tuple[float, int]:
    """Spearman's, and of how many."""
    one, other = zip(*pairs, strict=True)
    return float(spearmanr(one, other).statistic), len(one)


def correlations(items: Sequence[Configuration]) -> None:
    """How well what is seen early ranks the loss at 50k."""
    long = [item for item in items if item.curve]
    print("\nrank correlation with the final loss at 50k")
    for share in (0.3, 0.5, 0.9):
        step = int(LONG * share)
        found, count = correlation((item.at(step), item.loss(LONG)) for item in long)
        best = min(long, key=lambda item: item.loss(LONG))
        place = sorted(long, key=lambda item: item.at(step)).index(best) + 1
        print(f"  curve at {step}, all schedules: {found:.2f} (n={count}; the best was {place}.)")
        shapes = [own for own in by_shape(long).values() if len(own) >= 4]
        each = [correlation((i.at(step), i.loss(LONG)) for i in own)[0] for own in shapes]
        print(
            f"  curve at {step}, one schedule shape: mean {statistics.fmean(each):.2f}"
            f" ({min(each):.2f} to {max(each):.2f} over {len(each)} shapes)"
        )
    for short in (15_000, 25_000, 35_000):
        both = [item for item in long if short in item.losses]
        found, count = correlation((item.loss(short), item.loss(LONG)) for item in both)
        print(f"  complete training of {short}: {found:.2f} (n={count})")


def by_shape(items: Iterable[Configuration]) -> dict[str, list[Configuration]]:
    """Configurations that differ in the peak rate only."""
    groups = defaultdict(list)
    for item in items:
        groups[item.shape].append(item)
    return dict(groups)


def resampled(
    pool: Sequence[Configuration], count: int, draw: random.Random
) -> list[Configuration]:
    """`count` of the configurations in random order, each with new seed luck."""
    return [item.trained(draw) for item in draw.sample(list(pool), count)]


def survival(items: Sequence[Configuration]) -> None:
    """Show 4: rungs and pruning at equal tokens, schedules mixed."""
    pool = [item for item in items if SHORT in item.losses and item.curve]
    studies = [resampled(pool, SUBSET, random.Random(seed)) for seed in range(STUDIES)]
    draws = [random.Random(f"draw {seed}") for seed in range(STUDIES)]
    done = [(study, rungs(study, draw)) for study, draw in zip(studies, draws, strict=True)]
    budget = done[0][1].iterations
    print(
        f"\n{SUBSET} of {len(pool)} configurations a study, schedules mixed;"
        f" {budget / LONG:.1f} whole trainings' tokens"
    )
    row("rungs", score(done), budget)
    few = studies[:PRUNED_STUDIES]
    row("rungs, the same studies as the pruners", score(done[:PRUNED_STUDIES]), budget)
    row("no pruning", score((study, whole(study, budget)) for study in studies), budget)
    for name, make in pruners().items():
        row(name, score((study, pruned(study, make, budget)) for study in few), budget)
    print("the same pruners with all the tokens that they ask for")
    for name, make in pruners().items():
        row(name, score((study, pruned(study, make)) for study in few), budget)


def one_shape(items: Sequence[Configuration]) -> None:
    """Pruning where all runs share one schedule shape, and the same pruning of mixed shapes."""
    from optuna.pruners import MedianPruner

    shapes = [own for own in by_shape(i for i in items if i.curve).values() if len(own) >= 5]
    constant = [own for own in shapes if own[0].shape.startswith("data/stable")]
    decaying = [own for own in shapes if own not in constant]
    mixed = [[item for own in shapes for item in own]]
    print(f"\n5 peak rates a study; {len(shapes)} shapes; median pruning after 2 whole trainings")
    for first in (5_000, 15_000, 25_000):

        def make(first: int = first) -> MedianPruner:
            return MedianPruner(n_startup_trials=2, n_warmup_steps=first)

        kinds = {"constant rate": constant, "one decaying shape": decaying, "mixed shapes": mixed}
        for name, pools in kinds.items():
            draws = [random.Random(seed) for seed in range(PRUNED_STUDIES)]
            studies = [resampled(draw.choice(pools), 5, draw) for draw in draws]
            found = score((study, pruned(study, make)) for study in studies)
            row(f"{name}, from {first} on", found, 5 * LONG)


def row(name: str, found: dict[str, float], budget: float) -> None:
    """One line of a table."""
    print(
        f"  {name:46} finds {found['found']:6.1%}  near {found['near']:6.1%}"
        f"  regret {found['regret']:.4f}  tokens {found['iterations'] / budget:.2f}"
    )


def main() -> None:
    """Print the tables of `README.md`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds runs.csv and val_curves.csv.gz")
    begin, items = time.monotonic(), configurations(parser.parse_args().folder)
    print(f"{len(items)} configurations, {sum(bool(item.curve) for item in items)} at 50k")
    correlations(items)
    survival(items)
    one_shape(items)
    print(f"\n{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
