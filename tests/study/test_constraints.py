"""Constraints: read, measured against finished runs, known before training; never guessed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from selector.config.decode import Mistakes
from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.errors import ConfigError, InputError
from selector.space.cost import flops_per_token, parameters
from selector.study.arms import resolve
from selector.study.constraints import (
    known_violation,
    missing,
    parse_constraints,
    violation,
)
from selector.track.run import Outcome, Result, Run
from tests.report.build import config


def result(**changes):
    fields = {
        "outcome": Outcome.COMPLETE, "value": 2.4, "metrics": {"validation/loss": 2.4}, "steps": 40,
        "seconds": 50.0, "error": "", "facts": {"peak_memory_gib": 3.0, "device": "cpu"},
    }  # fmt: skip
    return Result(**(fields | changes))


def parsed(*texts):
    mistakes = Mistakes()
    found = parse_constraints(texts, mistakes)
    assert not mistakes.lines
    return found


def test_all_signs_and_names_are_read():
    found = parsed("seconds < 600", "peak_memory_gib<=2e1", " validation/loss  >=  1.5", "steps>3")
    assert [(item.name, item.sign, item.bound) for item in found] == [
        ("seconds", "<", 600.0), ("peak_memory_gib", "<=", 20.0),
        ("validation/loss", ">=", 1.5), ("steps", ">", 3.0),
    ]  # fmt: skip
    assert [item.text for item in found][1:3] == [
        "peak_memory_gib <= 2e1",
        "validation/loss >= 1.5",
    ]


@pytest.mark.parametrize(
    "text",
    ["seconds", "seconds = 3", "seconds < lots", "seconds < nan", "600 > seconds", "a < b c"],
)
def test_what_cannot_be_read_is_named_with_what_is_expected(text):
    mistakes = Mistakes()
    assert parse_constraints([text, "steps < 5"], mistakes)[-1].name == "steps"
    assert len(mistakes.lines) == 1
    assert repr(text) in mistakes.lines[0]
    assert "seconds < 600" in mistakes.lines[0]


def test_bounds_that_contradict_or_repeat_are_refused_together():
    mistakes = Mistakes()
    parse_constraints(["steps < 5", "steps <= 6", "seconds > 9", "seconds < 3"], mistakes)
    assert any("bounded twice" in line for line in mistakes.lines)
    assert any("no run can meet both 'seconds < 3' and 'seconds > 9'" in m for m in mistakes.lines)
    assert len(mistakes.lines) == 2
    parsed("steps > 2", "steps < 5")  # a band is no contradiction


def test_a_violation_is_relative_and_says_which_by_what():
    found = parsed("seconds < 40", "peak_memory_gib < 2")
    worst, text = violation(found, result())
    assert worst == pytest.approx(0.5)  # 3 GiB of 2 is worse than 50 seconds of 40
    assert text == "peak_memory_gib < 2 is violated: 3"
    worst, text = violation(found, result(seconds=20.0, facts={"peak_memory_gib": 1.9}))
    assert worst == pytest.approx(-0.05)
    assert text == ""
    assert violation((), result())[0] < 0


def test_the_bound_itself_is_inside_only_where_the_sign_says_so():
    for text, inside in (("steps < 40", False), ("steps <= 40", True), ("steps > 40", False)):
        assert (violation(parsed(text), result())[0] <= 0) is inside, text


def test_a_metric_comes_before_a_fact_and_both_before_the_run():
    both = result(metrics={"seconds": 7.0}, facts={"seconds": 8.0, "steps": 9})
    assert violation(parsed("seconds < 1"), both)[1].endswith("7")
    assert violation(parsed("steps < 1"), both)[1].endswith("9")


def test_no_number_is_no_excuse():
    worst, text = violation(parsed("x < 1"), result(metrics={"x": math.inf}))
    assert math.isfinite(worst)
    assert worst > 1
    assert "inf" in text
    assert violation(parsed("x > 1"), result(metrics={"x": math.nan}))[0] > 1


def test_an_unknown_name_says_what_is_there():
    with pytest.raises(InputError, match=r"'watts < 1'.*peak_memory_gib, seconds, steps, valid"):
        violation(parsed("watts < 1"), result())
    assert "reported no watts" in missing(parsed("watts < 1"), result())
    assert missing(parsed("seconds < 1"), result()) == ""  # violated, not missing


def test_what_a_formula_knows_need_not_be_trained():
    small = config()
    tokens, size = 1000, parameters(small)
    assert known_violation(parsed(f"parameters < {size}"), small, tokens)[0] > 0
    assert known_violation(parsed(f"parameters <= {size}", "watts < 1"), small, tokens)[0] <= 0
    half = parsed(f"flops <= {flops_per_token(small) * tokens / 2}")
    assert known_violation(half, small, tokens)[0] == pytest.approx(1.0)
    assert known_violation(half, small, tokens // 2)[0] <= 0
    mine = config(objective="function")
    assert known_violation(parsed("parameters < 1"), mine, tokens) == (-1.0, "")


def test_a_finished_run_has_what_the_formula_says_unless_it_reported_it():
    run = Run(key="k", config=config(), stage="explore", seed=1, tokens=1000)
    worst, _ = violation(parsed(f"parameters < {parameters(run.config)}"), result(), run)
    assert worst > 0
    own = replace(result(), facts={"parameters": 5})
    assert violation(parsed("parameters < 6"), own, run)[0] < 0


def resolved(*overrides):
    return resolve(compose_study(study_file("quickstart"), list(overrides)))


def test_a_plan_refuses_constraints_that_cannot_be_read_or_met_all_at_once():
    with pytest.raises(ConfigError) as caught:
        resolved("subject_to=['seconds << 5','parameters < 1000']", "pareto=[seconds,seconds]")
    lines = caught.value.mistakes
    assert len(lines) == 4  # one for each arm that is too large
    assert "got 'seconds << 5'" in lines[0]
    assert "parameters < 1000 is violated: 120576" in lines[1]
    assert "in every run of the arm adamw" in lines[1]
    assert lines[3].startswith("pareto: expected different costs")
    with pytest.raises(ConfigError, match="pareto"):
        resolved("pareto=[validation/loss]")


def test_a_size_that_is_tuned_may_yet_meet_its_constraint():
    bound = "subject_to=['parameters < 100000']"
    study = resolved(bound, "model.width=range(32,128,32)")
    assert study.constraints[0].name == "parameters"
    assert known_violation(study.constraints, study.arms[0].config, 1)[0] > 0
