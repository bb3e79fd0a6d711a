"""What a number of units can find, and how many a difference needs. Formulas, no data.

Found means that one arm beats every rival, all rivals being equally good, which is the hardest
case. The wider interval of noise.py has 1.5 (units - 1) degrees of freedom on average;
docs/method.md compares the formula with simulations: within a few points from four units on,
too hopeful below.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from selector.study.critical import LEVEL, normal_nodes, over_deviation, student

#: The power that planning aims at, the usual value.
POWER = 0.8
#: Standard deviation between two seeds of one configuration of a small language model, in nats:
#: what `plan` assumes before anything was measured. Measured were .002 to .005.
SEED_SD = 0.004
#: Standard deviation of the search's luck (of a finalist's true value, between sub-searches) in
#: seed standard deviations, by trials and by one, two, three tuned dimensions: the root mean square
#: over four families of simulated surfaces, by `python -m benchmarks.method.luck`.
LUCK = {
    "refined": {4: (0.61, 7.61, 12.94), 8: (0.38, 1.47, 5.33), 16: (0.21, 0.37, 1.16)},
    "qmc": {4: (0.46, 5.20, 9.14), 8: (0.40, 2.30, 4.54), 16: (0.30, 1.02, 2.58)},
    "random": {4: (2.91, 8.73, 11.88), 8: (0.71, 3.79, 6.74), 16: (0.38, 1.76, 3.77)},
}
#: More units than this are not worth telling apart.
_MOST_UNITS = 1_000_000


def power_of(effect: float, *, arms: int, units: int, level: float = LEVEL) -> float:
    """Probability that an arm better by `effect` standard deviations of a unit wins."""
    freedom = 1.5 * (units - 1)
    bound = student(level, freedom)
    own, weight = normal_nodes()

    def won(deviation: np.ndarray) -> np.ndarray:
        ahead = effect * math.sqrt(units / 2) - bound * deviation
        return np.asarray(ndtr(math.sqrt(2) * ahead[:, None] + own) ** (arms - 1) @ weight)

    return over_deviation(won, freedom)


def detectable_difference(
    *, arms: int, units: int, power: float = POWER, level: float = LEVEL
) -> float | None:
    """The lead of one arm over equal rivals that is found with probability `power`.

    In standard deviations of a unit; None where there are no degrees of freedom.
    """
    if arms < 2 or units < 2:
        return None
    low, high = 0.0, 200.0
    for _ in range(40):
        middle = (low + high) / 2
        found = power_of(middle, arms=arms, units=units, level=level)
        low, high = (middle, high) if found < power else (low, middle)
    return high


def units_needed(effect: float, *, arms: int, power: float = POWER, level: float = LEVEL) -> int:
    """Units per arm, two at least, with which an arm better by `effect` wins.

    `effect` is in standard deviations of a unit and above zero; two digits of it count.
    """
    return _units_needed(float(f"{effect:.2g}"), arms, power, level)


@lru_cache(maxsize=1024)
def _units_needed(effect: float, arms: int, power: float, level: float) -> int:
    low, high = 1, 2
    while high < _MOST_UNITS and power_of(effect, arms=arms, units=high, level=level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        found = power_of(effect, arms=arms, units=middle, level=level) >= power
        low, high = (low, middle) if found else (middle, high)
    return high


def unit_deviation(*, sampler: str, dimensions: int, trials: int, verdict_seeds: int) -> float:
    """Standard deviation to expect of a sub-search's verdict mean, in seed standard deviations.

    Samplers that were not simulated count as random; more than three tuned dimensions as three.
    """
    luck = 0.0
    if dimensions:
        table = LUCK.get(sampler, LUCK["random"])
        row = max((count for count in table if count <= trials), default=min(table))
        luck = table[row][min(dimensions, 3) - 1]
    return math.sqrt(luck**2 + 1 / verdict_seeds)


def smallest_difference(
    *,
    arms: int,
    units: int,
    deviation: float,
    level: float = LEVEL,
    seed_sd: float = SEED_SD,
) -> float | None:
    """The smallest lead that a budget finds with probability `POWER`, in units of the metric.

    Args:
        arms: Arms compared.
        units: Sub-searches in each at the last look, or seeds where the seed is the unit.
        deviation: Of a unit, in seed standard deviations: `unit_deviation`; 1 for seeds.
        level: Of the last look.
        seed_sd: Standard deviation between two seeds of one configuration.
    """
    found = detectable_difference(arms=arms, units=units, level=level)
    return None if found is None else found * deviation * seed_sd
