"""How long one suggestion takes, by sampler and length of the past.

    python -m benchmarks.method.suggestion_time

Two continuous keys and a choice; medians of several asks at the end of a sub-search. A study that
waits for a suggestion trains nothing meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from selector.config.compose import load_yaml
from selector.config.decode import Mistakes, technique
from selector.config.locations import conf_folder
from selector.space.dimension import Choices, Interval
from selector.space.space import Space
from selector.study.sampler import SAMPLERS, Ask, Past, Sampler, make_sampler
from selector.track.run import Told

SPACE = Space(
    dimensions={
        "optimizer.lr": Interval(low=1e-4, high=1e-1, log=True, grid=70),
        "optimizer.weight_decay": Interval(low=1e-3, high=0.3, log=True, grid=50),
        "optimizer.momentum": Choices(values=(0.9, 0.95, 0.98)),
    }
)
LENGTHS = (7, 15, 31, 300, 3_000, 10_000)
#: The promise, in ms: TPE at 3,000, samplers that learn nothing at 10,000.
LIMITS = {("tpe", 3_000): 40.0} | {(name, 10_000): 5.0 for name in ("grid", "random", "qmc")}


def sampler_of(name: str) -> Sampler:
    """The sampler with the settings of its file."""
    found = technique(load_yaml(conf_folder() / "sampler" / f"{name}.yaml"), "", Mistakes())
    assert found is not None
    return make_sampler(found)


def past_of(length: int) -> list[Past]:
    """Random trials in a bowl with a cliff."""
    generator = np.random.default_rng(length)
    past = []
    for unit in generator.random((length, len(SPACE.dimensions))):
        value = float(((unit[:2] - 0.6) ** 2).sum() + generator.normal(0, 0.003))
        constraint = 1.0 if unit[0] > 0.9 else -1.0
        told = Told(state="complete", value=value, constraint=constraint)
        past.append(Past(values=SPACE.at(unit), told=told))
    return past


def milliseconds(sampler: Sampler, past: list[Past], asks: int) -> float:
    """The median time of a suggestion after `past`, the first (imports, caches) left out."""
    times = []
    for seed in range(asks + 1):
        start = time.perf_counter()
        sampler.suggest(
            Ask(
                space=SPACE,
                index=len(past),
                past=past,
                seed=seed,
                minimize=True,
                total=len(past) + 1,
                search_seed=seed,
            )
        )
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--asks", type=int, default=11, help="asks of which the median is taken")
    asks = parser.parse_args().asks
    print("ms a suggestion after so many trials (! above the promise)")
    print("| sampler | " + " | ".join(f"{length:,}" for length in LENGTHS) + " |")
    print("|---" * (len(LENGTHS) + 1) + "|")
    pasts = [past_of(length) for length in LENGTHS]
    for name in SAMPLERS:
        cells = []
        for length, past in zip(LENGTHS, pasts, strict=True):
            found = milliseconds(sampler_of(name), past, asks)
            late = "!" if found > LIMITS.get((name, length), float("inf")) else ""
            cells.append(f"{found:.2f}{late}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
