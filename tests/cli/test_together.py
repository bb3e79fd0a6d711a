"""`then: [together]` from the command line: a second stage that follows and goes on."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

STUDY = """\
defaults:
  - selector_study
  - override objective: mine
  - override tracker: none
  - override launcher: inline
  - _self_
name: mine
question: What helps?
arms:
  - {}
  - {objective.parameters.a: true}
  - {objective.parameters.b: true}
  - {objective.parameters.c: true}
then: [together]
margin: {absolute: 0.01, share: 0.0}
set: {budget.tokens: 100, budget.trials: 2, budget.replicates: 2, budget.verdict_seeds: 1}
"""
OBJECTIVE = """\
defaults: [function, _self_]
name: mine
function: "mine:train"
parameters: {a: false, b: false, c: false, gains: [0.3, 0.2, 0.0], x: 0.5, seconds: 0.0}
space: {parameters.x: {low: 0.0, high: 1.0}}
"""
#: a and b gain .3 and .2 alone and .35 together; c gains nothing.
FUNCTION = """\
import time

def train(config, run):
    time.sleep(config.objective.parameters["seconds"])
    on = config.objective.parameters
    loss = 2.0 - sum(gain * on[name] for name, gain in zip("abc", on["gains"]))
    loss += 0.15 * (on["a"] and on["b"])
    run.report(1, loss=loss + 0.001 * (on["x"] - 0.5) ** 2 + 1e-4 * (run.seed * 7919 % 13))
"""


@pytest.fixture
def place(workplace):
    (workplace.folder / "study.yaml").write_text(STUDY)
    (workplace.folder / "objective" / "mine.yaml").write_text(OBJECTIVE)
    (workplace.folder / "mine.py").write_text(FUNCTION)
    return workplace


def recommendation(place, name="mine"):
    return json.loads((place.folder / "reports" / name / "recommendation.json").read_text())


def test_plan_says_that_a_second_stage_follows_and_its_largest_size(place):
    plan = place.json("plan", "./study.yaml")
    assert plan["runs"] == 4 * 6
    assert plan["second_runs"] == 5 * 6  # the baseline, all three, and each left out
    text = place.run("plan", "./study.yaml")
    assert "mine-together" in text
    assert "up to 30 more runs" in text
    assert place.json("plan", "./study.yaml", "then=[]")["second_runs"] is None


def test_one_command_runs_both_stages_and_reports_them(place):
    found = place.json("run", "./study.yaml")
    assert found["study"] == "mine-together"  # what programs get is the last stage's
    assert found["recommended"]["arm"] == "together"
    assert place.finished() == 24
    assert place.finished("mine-together") == 4 * 6  # c was not accepted
    assert [arm["name"] for arm in found["arms"]] == [
        "baseline", "together", "without a=true", "without b=true",
    ]  # fmt: skip

    both = recommendation(place)["together"]
    assert both["state"] == "complete"
    assert [item["arm"] for item in both["choices"]] == ["a=true", "b=true"]
    assert both["interaction"]["low"] <= -0.15 <= both["interaction"]["high"]
    assert abs(both["interaction"]["value"] + 0.15) < 0.01
    assert abs(both["gain"]["value"] - 0.35) < 0.01
    still = {item["arm"]: item["still"]["value"] for item in both["choices"]}
    assert abs(still["a=true"] - 0.15) < 0.01
    assert abs(still["b=true"] - 0.05) < 0.01
    assert "overlap" in both["sentence"]
    assert found["together"] == both

    page = (place.folder / "reports/mine/index.html").read_text()
    assert '<a href="../mine-together/index.html">' in page
    assert '<section id="together">' in page
    assert (
        '<a href="../mine/index.html">'
        in (place.folder / "reports/mine-together/index.html").read_text()
    )
    text = place.run("run", "./study.yaml")
    assert text.count("report:  ") == 2
    assert "reports/mine-together/index.html" in text


def test_seeds_of_the_stages_are_disjoint(place):
    place.run("run", "./study.yaml")
    folders = [place.folder / "runs" / name for name in ("mine", "mine-together")]
    seeds = [
        {path.name.rpartition("-s")[2] for path in folder.glob("trials/*/runs/*")}
        for folder in folders
    ]
    assert seeds[0]
    assert seeds[1]
    assert not seeds[0] & seeds[1]


@pytest.mark.slow
def test_a_second_stage_goes_on_after_any_loss(place):
    place.run("run", "./study.yaml")
    before = recommendation(place, "mine-together")
    runs = place.folder / "runs" / "mine-together"
    results = sorted(runs.glob("trials/*/runs/*/result.json"))
    stamps = {path: path.stat().st_mtime_ns for path in results[:-5]}
    for path in results[-5:]:
        path.unlink()
    text = place.run("report", "mine")
    assert "The second stage is unfinished (" in text
    place.run("run", "mine")
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    after = recommendation(place, "mine-together")
    shutil.rmtree(runs)  # lost between the stages: it is made again, the same
    assert recommendation(place)["together"]["state"] == "complete"
    place.run("report", "mine")
    assert recommendation(place)["together"]["state"] == "to_come"
    place.run("run", "./study.yaml")
    again = recommendation(place, "mine-together")
    for found in (after, again):
        assert found["together"] == before["together"]
        assert found["recommended"] == before["recommended"]


def test_ctrl_c_in_the_second_stage_and_the_same_command_goes_on(place):
    command = ("run", "./study.yaml", "objective.parameters.seconds=0.05")
    process = place.start(*command)
    place.wait_for(3, "mine-together")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "`selector run ./study.yaml objective.parameters.seconds=0.05` goes on" in errors
    kept = place.finished("mine-together")
    assert 3 <= kept < 24
    assert place.json(*command)["together"]["state"] == "complete"
    assert place.finished("mine-together") == 24


@pytest.mark.slow
def test_the_second_stage_by_name(place):
    place.run("run", "./study.yaml")
    status = place.json("status", "mine-together")
    assert (status["state"], status["runs"]["finished"]) == ("complete", 24)
    assert "mine-together" in place.run("status", "mine")
    place.run("run", "mine-together", "budget.replicates=3")
    assert place.finished("mine-together") == 36
    assert place.finished() == 24
    assert "together" in place.run("report", "mine-together")
    text = place.run("run", "mine-together", "name=other", code=2)
    assert "second stage of mine" in text
    assert place.json("rerun", "mine-together")["agrees"] is True


@pytest.mark.slow
def test_a_larger_budget_holds_for_both_stages(place):
    place.run("run", "./study.yaml")
    place.run("run", "mine", "budget.replicates=3")
    assert (place.finished(), place.finished("mine-together")) == (36, 36)


@pytest.mark.slow
def test_nothing_to_combine_is_said_and_no_second_stage_follows(place):
    less = "objective.parameters.gains=[0.3, 0.0, 0.0]"
    text = place.run("run", "./study.yaml", less)
    assert "Only a=true is clearly better than baseline: nothing to combine" in text
    assert not (place.folder / "runs/mine-together").exists()
    assert place.json("run", "mine")["study"] == "mine"
    assert recommendation(place)["together"]["state"] == "nothing"


def test_a_first_stage_that_a_limit_ended_has_no_second_one_yet(place):
    limit = "budget.device_hours=1e-9"
    place.run("run", "./study.yaml", limit, "objective.parameters.seconds=0.001", code=1)
    assert 0 < place.finished() < 24
    assert not (place.folder / "runs/mine-together").exists()
    assert recommendation(place)["together"]["state"] == "to_come"


@pytest.mark.slow
def test_other_accepted_choices_than_stored_ones_are_not_mixed(place):
    place.run("run", "./study.yaml")
    shutil.rmtree(place.folder / "runs/mine")
    more = "objective.parameters.gains=[0.3, 0.2, 0.2]"
    text = place.run("run", "./study.yaml", more, code=2)
    assert "runs/mine-together: is stored for other choices than mine accepts now" in text
    assert "c=true" in text
    place.run("report", "mine")
    assert recommendation(place)["together"]["state"] == "outdated"


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ("compare: {objective.parameters.a: [true, false]}\n", "where objective.parameters.a is"),
        ("arms: [{}, {objective.parameters.a: true}]\n", "got 2 in all"),
    ],
)
def test_what_cannot_be_put_together_is_refused_before_anything_runs(place, arms, expected):
    file = place.folder / "study.yaml"
    start, end = STUDY.index("arms:"), STUDY.index("then:")
    file.write_text(STUDY[:start] + arms + STUDY[end:])
    text = place.run("plan", "./study.yaml", code=2)
    assert "then: together needs" in text
    assert expected in text
    assert place.json("plan", "./study.yaml", "then=[]")["second_runs"] is None


def test_a_combination_that_cannot_exist_is_refused_by_plan(place):
    file = place.folder / "study.yaml"
    file.write_text(
        "defaults: [selector_study, override model: pico, override tracker: none, _self_]\n"
        "name: shapes\narms: [{}, {model.width: 96}, {model.heads: 4}, {model.width: 60}]\n"
        "then: [together]\n"
    )
    assert place.json("plan", "./study.yaml")["second_runs"] == 4 * 40
    file.write_text(file.read_text().replace("heads: 4", "heads: 64"))
    text = place.run("plan", "./study.yaml", code=2)
    assert "then: together: " in text
    assert "96 is not a multiple of heads (64)" in text
