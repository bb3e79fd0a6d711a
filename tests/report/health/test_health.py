"""The checks together: silent on sound studies, fast on large ones."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest

from selector.report.compare import arm_rows
from selector.report.health import CHECKS, findings
from selector.study.answer import answer
from selector.track.run import Result, Trial
from tests.report.build import ADAMW, MUON, Builder, Surface, finished
from tests.report.health.planted import all_found, healthy, reporting


def measured(result: Result, trial: Trial, stage: str) -> Result:
    facts = {"device": "NVIDIA A100", "device_celsius": 61.0, "throttled_share": 0.0}
    classes = {"class_share/yes": 0.4, "class_share/no": 0.6}
    return replace(
        result,
        facts={**result.facts, **facts, "ended": "2026-01-01T00:00:00+00:00"},
        metrics={**result.metrics, **classes},
    )


@pytest.mark.parametrize(
    "built",
    [
        lambda: finished(ADAMW, MUON),
        lambda: reporting(finished(ADAMW, MUON, change=measured), healthy),
        lambda: finished(ADAMW, MUON, objective="function", change=measured),
        lambda: finished(ADAMW, MUON, subject_to=("seconds < 600",), hours=1.0, device_hours=1.0),
        lambda: finished(ADAMW, trials=16),
        lambda: finished(ADAMW, MUON, fair="flops"),
    ],
    ids=["plain", "measured", "function", "limited", "one arm", "equal FLOPs"],
)
def test_a_sound_study_has_no_findings(built) -> None:
    assert all_found(built()) == []


def test_checks_are_listed_once_and_say_what_they_notice() -> None:
    assert len(set(CHECKS)) == len(CHECKS) == 24
    assert all(check.__doc__ for check in CHECKS)


def test_a_study_without_any_result_has_no_findings_of_results() -> None:
    from tests.report.build import study

    assert all_found(Builder(study([ADAMW, MUON]), [ADAMW, MUON])) == []


@pytest.mark.slow
def test_two_thousand_runs_take_less_than_a_second() -> None:
    arms = [ADAMW, MUON, Surface(name="lion"), Surface(name="adam")]
    built = reporting(finished(*arms, trials=60, replicates=8, verdict_seeds=3), healthy)
    stored = built.stored()
    assert sum(1 for _ in stored.record.runs()) > 2000
    known = answer(stored.study, stored.record)
    rows = arm_rows(stored, known)
    started = perf_counter()
    findings(stored, known, rows)
    assert perf_counter() - started < 1.0
