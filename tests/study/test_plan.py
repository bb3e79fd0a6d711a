"""What a plan counts, and which values have no effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.space.cost import flops_per_token
from selector.study.effect import without_effect
from selector.study.plan import make_plan
from selector.study.power import detectable_difference
from selector.study.stored import StoredStudy
from selector.study.verdict import look_level
from selector.track.store import FolderStore
from tests.report.build import ADAMW, MUON, TOKENS, Builder, Surface, study

BUDGET = {"trials": 9, "replicates": 4, "verdict_seeds": 3}


def planned(tmp_path, *surfaces, **changes):
    return make_plan(study(surfaces or (ADAMW, MUON), **{**BUDGET, **changes}), tmp_path)


def test_runs_by_stage(tmp_path):
    plan = planned(tmp_path)
    assert [dict(arm.runs) for arm in plan.arms] == [{"explore": 36, "verdict": 12}] * 2
    assert (plan.runs, plan.more_by_looks, plan.more_by_extensions) == (96, 0, 0)
    assert plan.tokens == 96 * TOKENS
    first = plan.arms[0]
    assert first.flops == 48 * TOKENS * flops_per_token(plan.study.arms[0].config)
    assert (first.trials, first.tokens_per_run) == (36, TOKENS)


def test_screening_and_rungs(tmp_path):
    plan = make_plan(replace(study((ADAMW, MUON), **BUDGET, screen=2), rungs=True), tmp_path)
    runs = {"rung1": 36, "explore": 12, "screen": 8, "verdict": 12}
    assert dict(plan.arms[0].runs) == runs
    assert plan.arms[0].tokens == 32 * TOKENS + 36 * (TOKENS // 3)
    assert plan.arms[0].trials == 36


def test_growth(tmp_path):
    plan = planned(tmp_path, most_replicates=8, extensions=2)
    assert plan.more_by_looks == 96
    assert plan.more_by_extensions == 2 * 8 * 2 * 4  # arms, sub-searches, times, trials
    alone = planned(tmp_path, ADAMW, most_replicates=8)
    assert alone.more_by_looks == 0
    nothing = planned(tmp_path, Surface(tuned=False), replace(MUON, tuned=False), extensions=2)
    assert (nothing.more_by_extensions, nothing.more_by_looks) == (0, 0)
    assert dict(nothing.arms[0].runs) == {"explore": 1, "verdict": 12}


def test_what_can_be_detected_is_that_of_the_last_look(tmp_path):
    plan = planned(tmp_path, most_replicates=8)
    levels = [look_level(units, (4, 8)) for units in (4, 8)]
    assert plan.detectable_first == detectable_difference(arms=2, units=4, level=levels[0])
    assert plan.detectable == detectable_difference(arms=2, units=8, level=levels[1])
    assert plan.detectable < planned(tmp_path).detectable < plan.detectable_first
    assert planned(tmp_path, ADAMW).detectable is None


def test_arms_of_other_lengths(tmp_path):
    asked = study((ADAMW, MUON), **BUDGET)
    arms = (asked.arms[0], replace(asked.arms[1], tokens=2 * TOKENS))
    plan = make_plan(replace(asked, arms=arms), tmp_path)
    assert [arm.tokens for arm in plan.arms] == [48 * TOKENS, 96 * TOKENS]
    assert plan.tokens == 144 * TOKENS


def test_time_follows_what_was_measured_in_each_arm(tmp_path):
    asked = study((ADAMW, MUON), **BUDGET, fair="seconds", pilot={"adamw": 1e-4, "muon": 3e-4})
    asked = replace(asked, launcher=replace(asked.launcher, workers=2))
    plan = make_plan(asked, tmp_path)
    assert plan.estimated_seconds == pytest.approx(48 * TOKENS * (1e-4 + 3e-4) / 2)
    tight = replace(asked.launcher, memory_gib=4.0, total_memory_gib=7.0)  # room for one
    slower = make_plan(replace(asked, launcher=tight), tmp_path)
    assert slower.estimated_seconds == pytest.approx(2 * plan.estimated_seconds)
    assert planned(tmp_path).estimated_seconds is None
    Builder(asked, (ADAMW, MUON), FolderStore(tmp_path / asked.name)).explore().verdict()
    assert make_plan(asked, tmp_path).estimated_seconds == 0


def test_what_is_fixed(tmp_path):
    values = {"optimizer.beta2": 0.9, "budget.trials": 9, "optimizer.lr": 0.1}
    plan = planned(tmp_path, fixed=values)
    assert plan.fixed == {"model": "pico", "optimizer.beta2": 0.9}


def test_a_plan_reads_what_is_stored(tmp_path):
    asked = study((ADAMW, MUON), **BUDGET)
    stored = StoredStudy(study=asked, record=Builder(asked, ()).record, folder=tmp_path)
    assert stored.study == asked
    Builder(asked, (), FolderStore(tmp_path / asked.name))
    changed = make_plan(replace(asked, fair="flops"), tmp_path)
    assert changed.changes == ("fair: stored tokens, now flops",)
    assert changed.estimated_seconds is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"most_replicates": 3}, "budget.most_replicates=3 has no effect: it is below"),
        ({"screen": 1, "fixed": {"budget.screen": 1}}, "chooses among one trial"),
        ({"fixed": {"budget.stop_when_clear": False}}, "the evidence is looked at once"),
    ],
)
def test_values_without_effect_are_named(changes, expected):
    assert expected in " ".join(without_effect(study((ADAMW, MUON), **{**BUDGET, **changes})))


def test_values_without_effect_where_nothing_is_tuned():
    fixed = {"budget.trials": 9, "budget.extensions": 2, "budget.most_replicates": 8}
    asked = study((Surface(tuned=False),), **BUDGET, most_replicates=8, extensions=2, fixed=fixed)
    found = without_effect(asked)
    assert len(found) == 3
    assert all("has no effect" in text for text in found)
    assert without_effect(study((ADAMW, MUON), **BUDGET, most_replicates=8, extensions=2)) == []
    alone = study((ADAMW,), **BUDGET, fair="seconds")
    assert without_effect(alone) == ["fair: seconds has no effect: there is one arm"]
