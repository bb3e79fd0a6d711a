"""Positions without a trained table, by their papers' formulas."""

from __future__ import annotations

import math

import pytest
import torch

from selector.train.model.position import alibi_slopes, distances, rotate, rotation, sines

LIKE = torch.zeros(0, dtype=torch.float64)


def test_rotated_products_depend_on_the_distance_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 8, dtype=torch.float64, generator=generator)
    turned = [rotate(part.expand(12, 8), rotation(12, 8, LIKE)) for part in (query, key)]
    products = turned[0] @ turned[1].mT
    for distance in range(-5, 6):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert products[:, 0].std() > 0.1, "and they do depend on it"
    torch.testing.assert_close(turned[0].norm(dim=-1), query.norm().expand(12))


def test_slopes_of_alibi() -> None:
    """The paper's example for 8 heads, and its code's rule for 12."""
    assert alibi_slopes(8) == [2.0**-place for place in range(1, 9)]
    assert alibi_slopes(1) == [2.0**-8]
    between = [2 ** -(place + 0.5) for place in range(4)]
    assert alibi_slopes(12) == [2.0**-place for place in range(1, 9)] + between


def test_alibi_subtracts_distances_and_hides_what_is_ahead() -> None:
    scores = distances(3, 2, LIKE)
    assert scores.shape == (1, 2, 3, 3)
    expected = [[0, -math.inf, -math.inf], [-1 / 16, 0, -math.inf], [-1 / 8, -1 / 16, 0]]
    assert scores[0, 0].tolist() == expected


def test_sines_of_the_first_paper() -> None:
    table = sines(5, 6, LIKE)
    assert table.shape == (5, 6)
    assert float(table[3, 2]) == pytest.approx(math.sin(3 / 10_000 ** (2 / 6)))
    assert float(table[3, 5]) == pytest.approx(math.cos(3 / 10_000 ** (4 / 6)))


def test_angles_of_low_precision_are_computed_in_single() -> None:
    """At position 2000 bfloat16 itself counts in steps of 8."""
    low = sines(2048, 4, torch.zeros(0, dtype=torch.bfloat16))
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.double(), sines(2048, 4, LIKE), rtol=0, atol=0.01)
