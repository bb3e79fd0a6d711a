"""The decision rule: hand-computed cases, calibration by simulation, what bars a winner."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from scipy import stats

from selector.study.verdict import Evidence, Relation, VerdictState, decide, look_level, margin_of


def evidence(*values, **changes):
    return Evidence(values=values, **{"cost": 1.0, **changes})


def verdict(arms, **changes):
    return decide(arms, **{"minimize": True, "margin": 0.01, "unit": "sub-search", **changes})


def test_a_clear_lead_wins():
    found = verdict({"a": evidence(2.0, 2.01, 2.02), "b": evidence(2.2, 2.21, 2.22)})
    assert (found.state, found.best, found.recommended) == (VerdictState.WINNER, "a", "a")
    (comparison,) = found.comparisons
    assert comparison.relation is Relation.BEATEN
    assert comparison.lead == pytest.approx(0.2)


def test_the_interval_is_the_wider_of_students_and_welchs():
    a, b = (2.0, 2.02, 2.04, 2.01), (2.10, 2.13, 2.11, 2.16)
    (comparison,) = verdict({"a": evidence(*a), "b": evidence(*b)}).comparisons
    welch = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert comparison.low == pytest.approx(welch.low, rel=1e-9)
    assert comparison.high == pytest.approx(welch.high, rel=1e-9)
    noisy = verdict({"a": evidence(*a), "b": evidence(*b), "c": evidence(5.0, 5.2, 5.5)})
    pooled = (3 * statistics.variance(a) + 3 * statistics.variance(b) + 2 * 0.19 / 3) / 8
    half = stats.t(8).ppf(0.975) * math.sqrt(pooled * (1 / 4 + 1 / 4))
    assert noisy.comparisons[0].high - noisy.comparisons[0].lead == pytest.approx(half)


def test_maximizing_turns_the_sign():
    arms = {"a": evidence(0.9, 0.91, 0.92), "b": evidence(0.5, 0.51, 0.52)}
    found = verdict(arms, minimize=False)
    assert (found.state, found.best) == (VerdictState.WINNER, "a")
    assert found.comparisons[0].lead == pytest.approx(0.4)


def test_a_tie_recommends_the_cheapest():
    arms = {
        "a": evidence(2.0000, 2.0001, 2.0002, cost=9.0),
        "b": evidence(2.0001, 2.0002, 2.0003, cost=3.0),
    }
    found = verdict(arms)
    assert (found.state, found.best, found.recommended) == (VerdictState.TIE, "a", "b")


def test_a_significant_lead_inside_the_margin_is_a_tie():
    arms = {"a": evidence(2.0, 2.0001, 2.0002), "b": evidence(2.005, 2.0051, 2.0052)}
    found = verdict(arms)
    assert found.comparisons[0].low > 0
    assert found.state is VerdictState.TIE


def test_noise_is_not_evidence():
    found = verdict({"a": evidence(2.0, 2.4, 2.2), "b": evidence(2.1, 2.5, 2.3)})
    assert found.state is VerdictState.INSUFFICIENT
    assert found.comparisons[0].units_needed > 3
    assert "not larger than its noise" in found.reasons[0]


def test_one_value_an_arm_is_not_evidence():
    found = verdict({"a": evidence(2.0), "b": evidence(3.0)})
    assert found.state is VerdictState.INSUFFICIENT
    assert found.comparisons[0].low is None
    assert found.estimates["a"].low is None


def test_identical_values_do_not_divide_by_zero():
    found = verdict({"a": evidence(2.0, 2.0), "b": evidence(2.0, 2.0)})
    assert found.state is VerdictState.TIE
    found = verdict({"a": evidence(2.0, 2.0), "b": evidence(3.0, 3.0)})
    assert found.state is VerdictState.WINNER


def test_a_rival_at_the_edge_of_its_range_bars_a_winner():
    arms = {
        "a": evidence(2.0, 2.01, 2.02),
        "b": evidence(2.2, 2.21, 2.22, edge="2 of 3 at the high end of lr"),
    }
    found = verdict(arms)
    assert found.state is VerdictState.INSUFFICIENT
    assert "b may not be tuned well: 2 of 3 at the high end of lr" in found.reasons


def test_a_finalist_that_diverged_cannot_win():
    arms = {
        "a": evidence(2.0, 2.01, 2.02, barred="1 diverged"),
        "b": evidence(2.2, 2.21, 2.22),
    }
    found = verdict(arms)
    assert found.state is VerdictState.INSUFFICIENT
    assert "a cannot win: 1 diverged" in found.reasons


def test_an_arm_without_values_leaves_the_question_open():
    found = verdict({"a": evidence(2.0, 2.01), "b": evidence()})
    assert found.state is VerdictState.INSUFFICIENT
    assert verdict({"a": evidence()}) is None


def test_an_arm_in_which_nothing_trains_is_beaten():
    arms = {"a": evidence(1.0, 1.01, 0.99), "b": evidence(2.0, 2.01, 1.99)}
    found = verdict({**arms, "c": evidence(failed=True)})
    assert (found.state, found.best) == (VerdictState.WINNER, "a")
    assert verdict({"a": arms["a"], "c": evidence(failed=True)}).state is VerdictState.WINNER


def test_a_barred_rival_is_not_recommended_in_a_tie():
    arms = {
        "a": evidence(1.0, 1.0001, 0.9999, cost=10),
        "b": evidence(1.0, 1.0001, cost=1, barred="1 diverged"),
    }
    found = verdict(arms)
    assert (found.state, found.recommended) == (VerdictState.TIE, "a")


def test_no_margin_and_no_difference():
    found = verdict({"a": evidence(1.0, 1.0), "b": evidence(1.0, 1.0)}, margin=0.0)
    assert found.comparisons[0].units_needed is None


def test_one_arm_has_no_verdict():
    found = verdict({"a": evidence(2.0, 2.1, 2.2)})
    assert found.state is None
    assert found.estimates["a"].mean == pytest.approx(2.1)
    assert found.estimates["a"].low == pytest.approx(
        stats.t.interval(0.95, 2, 2.1, 0.1 / 3**0.5)[0]
    )


def test_the_margin_is_the_larger_of_the_two():
    assert margin_of(4.0, absolute=0.01, share=0.005) == pytest.approx(0.02)
    assert margin_of(-1.0, absolute=0.01, share=0.005) == pytest.approx(0.01)


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_identical_techniques_rarely_get_a_winner(arms):
    """At most 5 % by construction; 7 % leaves room for the noise of 600 simulated studies."""
    draw = random.Random(arms)
    wins = sum(
        verdict(
            {str(arm): evidence(*(draw.gauss(2.0, 0.05) for _ in range(4))) for arm in range(arms)},
            margin=0.0,
        ).state
        is VerdictState.WINNER
        for _ in range(600)
    )
    assert wins / 600 < 0.07


def test_intervals_cover_the_difference():
    draw = random.Random(7)
    covered = 0
    for _ in range(600):
        arms = {
            "a": evidence(*(draw.gauss(2.0, 0.05) for _ in range(4))),
            "b": evidence(*(draw.gauss(2.2, 0.05) for _ in range(4))),
        }
        (comparison,) = verdict(arms).comparisons
        covered += comparison.low <= 0.2 <= comparison.high
    assert covered / 600 > 0.93


def test_levels_of_the_looks():
    assert look_level(4, (4,)) == look_level(9, (4,)) == 0.05
    assert look_level(4, (4, 8)) == 0.02
    assert look_level(8, (4, 8)) == pytest.approx(0.0379, abs=1e-4)
    assert look_level(5, (4, 5)) > look_level(8, (4, 8)) > look_level(40, (4, 40)) > 0.03


def test_an_arm_that_scatters_more_does_not_make_winners():
    """Two equally good arms, one scattering three times as much, and two quiet bad ones.

    With the pooled variance and its 12 degrees of freedom, 17 % of these get a winner.
    """
    draw = random.Random(5)
    arms = {"a": (2.0, 0.01), "b": (2.0, 0.03), "c": (9.0, 0.01), "d": (9.0, 0.01)}
    wins = sum(
        verdict(
            {
                name: evidence(*(draw.gauss(mean, sd) for _ in range(4)))
                for name, (mean, sd) in arms.items()
            },
            margin=0.0,
        ).state
        is VerdictState.WINNER
        for _ in range(800)
    )
    assert wins / 800 < 0.08
