from __future__ import annotations

import statistics

import numpy
import pytest

from selector.report.learning import learning
from selector.report.results import curves
from selector.study.answer import answer
from tests.report.build import ADAMW, EVALUATIONS, MUON, TOKENS, Builder, finished, study


def test_the_median_is_that_of_the_verdict_runs() -> None:
    stored = finished(ADAMW, MUON).stored()
    known = answer(stored.study, stored.record)
    found = learning(stored.study, known, curves(stored))
    assert found is not None
    assert (found.stage, found.axis) == ("verdict", "tokens")
    assert [curve.arm for curve in found.curves] == ["adamw", "muon"]
    curve = found.curves[0]
    assert curve.runs == 8
    assert len(curve.x) == EVALUATIONS
    assert curve.x[-1] == TOKENS
    last = [value for item in known.finalists if item.arm == "adamw" for value in item.confirmed]
    assert curve.median[-1] == pytest.approx(statistics.median(last))
    assert (curve.low[-1], curve.high[-1]) == (min(last), max(last))
    assert found.view[0] == min(min(curve.low) for curve in found.curves)
    assert found.view[0] < found.view[1] < max(curve.median[0] for curve in found.curves)


def test_before_the_verdict_the_search_stands_in() -> None:
    stored = Builder(study([ADAMW]), [ADAMW]).explore().stored()
    found = learning(stored.study, answer(stored.study, stored.record), curves(stored))
    assert found is not None
    assert found.stage == "explore"
    assert found.curves[0].runs == 4


def test_a_function_has_steps_and_nothing_has_no_curve() -> None:
    stored = finished(ADAMW, objective="function").stored()
    found = learning(stored.study, answer(stored.study, stored.record), curves(stored))
    assert found is not None
    assert found.axis == "step"
    empty = Builder(study([ADAMW]), [ADAMW]).stored()
    assert learning(empty.study, answer(empty.study, empty.record), curves(empty)) is None
    single = finished(ADAMW, points=1).stored()
    assert learning(single.study, answer(single.study, single.record), curves(single)) is None


def test_runs_on_different_grids_meet_and_long_curves_are_thinned() -> None:
    built = finished(ADAMW)
    known = answer(built.study, built.record)
    for place, finalist in enumerate(known.finalists):
        seed = built.study.seed_of("verdict", finalist.sub_search)
        key = built.record.run_key(finalist.trial, "verdict", seed)
        built.store.write(f"{key}/metrics.jsonl", "")
        for step in range(place + 1, 321, 1 if place else 2):
            built.record.report(key, step, {"validation/loss": 3 - step / 320})
        built.record.finish(key, built.record.run(key).result)
    stored = built.stored()
    found = learning(stored.study, known, curves(stored))
    assert found is not None
    curve = found.curves[0]
    assert len(curve.x) == 120
    assert list(curve.x) == sorted(set(curve.x))
    assert numpy.all(numpy.array(curve.low) <= numpy.array(curve.median))
    assert numpy.all(numpy.array(curve.median) <= numpy.array(curve.high))
