"""The Step Law against the grids it was fitted to (step-law/steplaw, data/dense_lr_bs_loss.csv).

The best cells of seven of them stand here; the whole replay needs the table, which is not part of
this repository.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from pathlib import Path

import pytest

from selector.space.step_law import step_law

TABLE = Path(__file__).parents[2].parent / "shared/tables/step_law/dense_lr_bs_loss.csv"
#: N, D, and the rate and tokens a step of the lowest smoothed loss among some 120 cells.
BEST = [
    (214_663_680, 4.0e9, 0.002762, 262_144),
    (214_663_680, 1.0e11, 0.007812, 2_097_152),
    (268_304_384, 2.5e10, 0.00391, 720_896),
    (429_260_800, 8.0e9, 0.001953, 262_144),
    (536_872_960, 1.0e10, 0.0009766, 262_144),
    (536_872_960, 5.0e10, 0.00276, 720_896),
    (1_073_741_824, 5.69e10, 0.001381, 524_288),
]


@pytest.mark.parametrize(("parameters", "tokens", "lr", "batch"), BEST)
def test_the_best_cell_is_near(parameters: int, tokens: float, lr: float, batch: int) -> None:
    """Within a factor of two on both sides: the grids' own steps are of 1.4 to 2."""
    found, step = step_law(parameters, tokens)
    assert 0.5 < found / lr < 2
    assert 0.5 < step / batch < 2


def test_its_exponents() -> None:
    rate, batch = step_law(1e9, 1e10)
    larger, longer = step_law(2e9, 1e10), step_law(1e9, 2e10)
    assert larger[0] / rate == pytest.approx(2**-0.713)
    assert larger[1] == batch  # the batch follows from the tokens alone
    assert longer[0] / rate == pytest.approx(2**0.307)
    assert longer[1] / batch == pytest.approx(2**0.571)


@pytest.mark.skipif(not TABLE.is_file(), reason=f"no table of the published grids at {TABLE}")
def test_the_nearest_cell_of_each_published_grid_loses_a_tenth_of_a_per_cent() -> None:
    grids: dict[tuple[float, float], list[tuple[float, float, float]]] = defaultdict(list)
    with TABLE.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            cell = (float(row["lr"]), 2048 * float(row["bs"]), float(row["smooth loss"]))
            grids[float(row["N"]), float(row["D"])].append(cell)
    assert len(grids) == 17
    regrets = []
    for (parameters, tokens), cells in grids.items():
        lr, batch = step_law(parameters, tokens)
        near = min(cells, key=lambda c: math.log(c[0] / lr) ** 2 + math.log(c[1] / batch) ** 2)
        regrets.append(near[2] / min(cell[2] for cell in cells) - 1)
    assert statistics.mean(regrets) == pytest.approx(0.00096, abs=0.00002)
