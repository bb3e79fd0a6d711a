from __future__ import annotations

import numpy
import pytest

from selector.report.rule import Rule, fit_rule, length_for, recommend
from selector.report.scaling import Quantity, Refused

SIZES = numpy.repeat([1e5, 8e5, 5e6], 3)
TOKENS = numpy.tile([2.6e5, 1e6, 4e6], 3)


def best(sizes, tokens):
    return 2.0 * sizes**-0.5 * tokens**0.2


def fitted(sizes, tokens, values, errors=None, **others) -> Rule:
    found = fit_rule(
        sizes, tokens, values, [0.05] * len(values) if errors is None else errors, **others
    )
    assert isinstance(found, Rule), found
    return found


def test_a_known_power_law_comes_back() -> None:
    rule = fitted(SIZES, TOKENS, best(SIZES, TOKENS))
    assert rule.size is not None
    assert rule.tokens is not None
    assert rule.size.value == pytest.approx(-0.5)
    assert rule.tokens.value == pytest.approx(0.2)
    found = recommend(rule, 2e7, 1.6e7)
    assert isinstance(found, Quantity)
    assert found.value == pytest.approx(best(2e7, 1.6e7))
    assert found.low < found.value < found.high


def test_the_interval_holds_the_truth_in_nine_of_ten_repetitions() -> None:
    random = numpy.random.default_rng(0)
    held, repetitions, widths = 0, 100, []
    for seed in range(repetitions):
        values = best(SIZES, TOKENS) * numpy.exp(random.normal(0, 0.2, len(SIZES)))
        rule = fitted(SIZES, TOKENS, values, [0.2] * 9, seed=seed, draws=200)
        found = recommend(rule, 2e7, 1.6e7)
        assert isinstance(found, Quantity)
        held += found.low <= best(2e7, 1.6e7) <= found.high
        widths.append(found.high / found.low)
    assert held >= 0.9 * repetitions
    assert numpy.median(widths) < 4


def test_a_value_known_well_counts_more() -> None:
    values = best(SIZES, TOKENS)
    values[0] *= 5
    errors = numpy.full(9, 0.05)
    errors[0] = 2.0
    rule = fitted(SIZES, TOKENS, values, errors)
    assert rule.size is not None
    assert rule.size.value == pytest.approx(-0.5, abs=0.01)


def test_with_one_length_it_holds_for_that_length() -> None:
    sizes = numpy.array([1e5, 8e5, 5e6])
    rule = fitted(sizes, numpy.full(3, 1e6), best(sizes, 1e6))
    assert rule.tokens is None
    assert length_for(rule, 1e7) == pytest.approx(1e6)
    assert isinstance(recommend(rule, 1e7, 1.5e6), Quantity)
    found = recommend(rule, 1e7, 1e7)
    assert isinstance(found, Refused)
    assert "length was not varied on its own: 1 M; asked 10 M" in found.reason


def test_with_tokens_in_step_with_size_it_holds_along_that_step() -> None:
    sizes = numpy.geomspace(1e5, 5e6, 4)
    rule = fitted(sizes, 20 * sizes, best(sizes, 20 * sizes))
    assert rule.tokens is None
    assert length_for(rule, 1e7) == pytest.approx(2e8)
    found = recommend(rule, 1e7, 2e8)
    assert isinstance(found, Quantity)
    assert found.value == pytest.approx(best(1e7, 2e8))
    assert isinstance(recommend(rule, 1e7, 1e6), Refused)


def test_with_one_size_it_holds_for_that_size() -> None:
    tokens = numpy.geomspace(1e5, 5e6, 4)
    rule = fitted(numpy.full(4, 1e6), tokens, best(1e6, tokens))
    assert rule.size is None
    assert isinstance(recommend(rule, 1e6, 1e7), Quantity)
    assert isinstance(recommend(rule, 1e7, 1e7), Refused)


def test_far_outside_nothing_is_recommended() -> None:
    rule = fitted(SIZES, TOKENS, best(SIZES, TOKENS))
    found = recommend(rule, 1e9, 4e6)
    assert isinstance(found, Refused)
    assert "size lies too far outside the ladder's 0.1 M to 5 M" in found.reason


def test_where_anything_fits_nothing_is_recommended() -> None:
    rule = fitted(SIZES, TOKENS, best(SIZES, TOKENS), [3.0] * 9)
    found = recommend(rule, 2e7, 1.6e7)
    assert isinstance(found, Refused)
    assert "not determined" in found.reason


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_rungs_make_no_rule(count) -> None:
    sizes = numpy.geomspace(1e5, 1e6, 2)[:count]
    found = fit_rule(sizes, sizes, sizes, sizes)
    assert isinstance(found, Refused)
    assert "3 rungs" in found.reason
