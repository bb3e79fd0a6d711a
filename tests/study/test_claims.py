"""Claims about several arms at once: which hold, and that the family errs in 5 % at most."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from selector.study.verdict import Evidence, decide

NEAR = (2.0, 2.01, 2.02, 2.01)
FAR = (2.4, 2.41, 2.42, 2.41)


def verdict(arms, **changes):
    evidence = {
        name: arm if isinstance(arm, Evidence) else Evidence(values=tuple(arm), cost=1.0)
        for name, arm in arms.items()
    }
    return decide(evidence, **{"minimize": True, "margin": 0.0, "unit": "sub-search", **changes})


def test_the_first_arm_is_the_baseline_and_the_second_look_has_its_level():
    found = verdict({"base": FAR, "a": NEAR, "b": FAR}, level=0.02)
    assert [(claim.arm, claim.rival, claim.holds) for claim in found.against_baseline] == [
        ("a", "base", True),
        ("b", "base", False),
    ]
    assert found.level == 0.02
    wider = found.against_baseline[0]
    (usual, _) = verdict({"base": FAR, "a": NEAR, "b": FAR}).against_baseline
    assert wider.low < usual.low < usual.high < wider.high


def test_dunnetts_interval_agrees_with_scipy_where_variances_are_equal():
    shift = np.array([0.0, 0.02, 0.04, 0.01])
    arms = {"base": 2.3 + shift, "a": 2.1 + shift, "b": 2.2 + shift}
    # With equal sample variances Welch's freedom is that of the pair, so its interval is the wider.
    claim = verdict(arms).against_baseline[0]
    error = np.sqrt(shift.var(ddof=1) * 2 / 4)
    reference = stats.dunnett(arms["a"], arms["b"], control=arms["base"], rng=1)
    assert abs(reference.statistic[0]) == pytest.approx(claim.lead / error, rel=1e-9)
    bound = (claim.high - claim.lead) / error
    root = np.array([[1, 0.5], [0.5, 1]])
    limit = np.full(2, bound)
    kept = stats.multivariate_t.cdf(limit, df=6, shape=root, lower_limit=-limit, random_state=1)
    assert kept == pytest.approx(0.95, abs=1e-3)


def test_pairs_name_the_better_arm_first():
    found = verdict({"a": FAR, "b": NEAR, "c": (3.0, 3.01, 3.02, 3.01)})
    assert [(claim.arm, claim.rival) for claim in found.pairs] == [
        ("b", "a"),
        ("b", "c"),
        ("a", "c"),
    ]
    assert all(claim.holds and claim.low > 0 for claim in found.pairs)


def test_maximizing_turns_the_sign_of_claims():
    found = verdict({"base": NEAR, "a": FAR}, minimize=False)
    assert found.against_baseline[0].holds
    assert found.pairs[0].arm == "a"


@pytest.mark.parametrize(
    ("base", "arm", "margin", "reason"),
    [
        (Evidence(values=FAR, cost=1), Evidence(values=NEAR, cost=1), 0.5, "within the margin"),
        (Evidence(values=FAR, cost=1, edge="at the high end"), NEAR, 0.0, "not be tuned well"),
        (FAR, Evidence(values=NEAR, cost=1, barred="1 diverged"), 0.0, "1 diverged"),
        (NEAR, (2.0, 2.02, 2.01, 2.0), 0.0, "not larger than its noise"),
        ((2.4,), (2.0,), 0.0, "noise is not known"),
    ],
)
def test_a_claim_that_does_not_hold_says_why(base, arm, margin, reason):
    (claim,) = verdict({"base": base, "a": arm}, margin=margin).against_baseline
    assert not claim.holds
    assert reason in claim.reason


def test_unequal_numbers_of_units_and_arms_without_values():
    found = verdict({"base": FAR, "a": NEAR[:2], "b": (2.0,), "c": Evidence(values=(), cost=1)})
    assert {claim.arm for claim in found.against_baseline} == {"a", "b"}
    assert len(found.pairs) == 3
    assert all(claim.high > claim.lead for claim in found.pairs)
    assert verdict({"c": Evidence(values=(), cost=1), "a": NEAR}).against_baseline == ()


def test_families_err_in_five_percent_of_studies():
    """Four identical arms; 800 studies, so the bound leaves room for three standard errors."""
    draw = np.random.default_rng(3)
    dunnett = tukey = 0
    for _ in range(800):
        found = verdict({str(arm): draw.normal(2.0, 0.05, size=5) for arm in range(4)})
        dunnett += any(not claim.low <= 0 <= claim.high for claim in found.against_baseline)
        tukey += any(not claim.low <= 0 <= claim.high for claim in found.pairs)
    assert 0.01 < dunnett / 800 < 0.073
    assert 0.005 < tukey / 800 < 0.073
