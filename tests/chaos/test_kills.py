"""kill -9 at random moments, bounded; the long form is `make chaos`."""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.checker import conclusions, results, violations
from tests.chaos.kills import kill_at_random, real_study, uninterrupted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BUDGET = ("budget.trials=2", "budget.replicates=1", "budget.tokens=150000")


@pytest.fixture
def seed():
    """Of the moments and victims; SELECTOR_CHAOS_SEED=N repeats a failure."""
    found = int(os.environ.get("SELECTOR_CHAOS_SEED", random.randrange(10_000)))
    print(f"SELECTOR_CHAOS_SEED={found}")  # noqa: T201 - pytest shows it where the test fails
    return found


def test_six_kills_change_nothing_of_a_real_study(tmp_path, seed):
    plain, hurt = (real_study(tmp_path / name, *BUDGET) for name in ("plain", "hurt"))
    try:
        whole = uninterrupted(plain, 300)
        campaign = kill_at_random(hurt, 6, seed=seed, gap=max(2.0, whole / 5), seconds=400)
        assert sum(campaign.kills.values()) >= 1, campaign  # as many as fit
        assert campaign.orphans == []
        assert campaign.lost == []
        assert violations(hurt.study) == [], campaign
        assert results(hurt.study) == results(plain.study)
        assert conclusions(hurt.recommendation) == conclusions(plain.recommendation)
    finally:
        plain.close()
        hurt.close()


def test_kills_of_a_study_with_two_workers_and_a_mirror_break_no_rule(tmp_path, seed):
    place = real_study(tmp_path / "two", *BUDGET, workers=2, tracker="mlflow")
    try:
        campaign = kill_at_random(place, 4, seed=seed, gap=6.0, seconds=400)
        assert campaign.orphans == []
        assert campaign.lost == []
        assert violations(place.study) == [], campaign
    finally:
        place.close()
