from __future__ import annotations

import statistics

import pytest

from selector.report.compare import arm_rows
from selector.report.results import results
from selector.space.cost import flops_per_token
from selector.study.answer import answer
from tests.report.build import ADAMW, MUON, SGD, TOKENS, config, finished


def test_rows_agree_with_the_table_of_runs() -> None:
    stored = finished(ADAMW, MUON, SGD).stored()
    table = results(stored)
    for row in arm_rows(stored, answer(stored.study, stored.record)):
        own = table[table["arm"] == row.name]
        explore, verdict = own[own["stage"] == "explore"], own[own["stage"] == "verdict"]
        assert (row.trials, row.planned) == (len(explore), 32)
        assert row.completed == explore["value"].notna().sum()
        assert row.explored == explore["value"].min()
        assert row.mean == pytest.approx(verdict["value"].mean())
        assert row.test == pytest.approx(row.mean + 0.02)
        assert row.low < row.mean < row.high
        assert row.seeds == 8
        assert row.seconds == pytest.approx(verdict["seconds"].median())
        diverged = int((own["outcome"] == "diverged").sum())
        assert row.failures == ({"diverged": diverged} if diverged else {})


def test_cost_counts_only_what_a_run_used() -> None:
    stored = finished(SGD).stored()
    (row,) = arm_rows(stored, answer(stored.study, stored.record))
    table = results(stored)
    used = sum(
        TOKENS if outcome == "complete" else steps * 1024
        for outcome, steps in zip(table["outcome"], table["steps"], strict=True)
    )
    assert row.failures
    assert row.tokens == used < len(table) * TOKENS
    assert row.flops == used * flops_per_token(config())


def test_a_function_has_no_formula_for_its_cost() -> None:
    stored = finished(ADAMW, objective="function").stored()
    (row,) = arm_rows(stored, answer(stored.study, stored.record))
    assert row.flops is None
    assert row.tokens == 40 * TOKENS


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_optimism_is_what_the_search_promised_too_much(direction: str) -> None:
    stored = finished(ADAMW, noise=0.05, direction=direction).stored()
    found = answer(stored.study, stored.record)
    (row,) = arm_rows(stored, found)
    gaps = [statistics.fmean(item.confirmed) - item.explored for item in found.finalists]
    sign = 1 if direction == "minimize" else -1
    assert row.optimism == pytest.approx(sign * statistics.fmean(gaps))
    assert row.optimism > 0
