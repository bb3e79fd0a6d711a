"""`run --from OLD`: what another study has made is not made again, and only what is new is made."""

from __future__ import annotations

import json
import shutil

import pytest

from selector.track.lock import study_lock
from tests.cli.conftest import kill

FIXED = ("launcher=inline", "budget.extensions=0", "budget.most_replicates=2")
COUNTING = """\
from pathlib import Path

def train(config, run):
    settings = config.objective.parameters
    with Path("made.txt").open("a") as made:
        made.write(f"{settings['kind']} {settings['x']} {run.stage} {run.seed}\\n")
    run.report(1, loss=(settings["x"] - 0.5) ** 2 + 0.2 * "abc".index(settings["kind"])
               + 1e-4 * (run.seed * 7919 % 13))
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the finished study is kept, so that it is run once for all tests."""
    return tmp_path_factory.mktemp("kept") / "mine"


@pytest.fixture
def place(workplace, kept):
    """A folder in which the study `mine` is over; its function notes each run that it makes."""
    (workplace.folder / "counting.py").write_text(COUNTING)
    path = workplace.folder / "objective" / "mine.yaml"
    path.write_text(path.read_text().replace("mine:train", "counting:train"))
    own = workplace.folder / "runs" / "mine"
    if kept.exists():
        shutil.copytree(kept, own)
    else:
        workplace.run("run", "./study.yaml", *FIXED)
        assert len(made(workplace)) == 20
        shutil.copytree(own, kept)
    return workplace


def made(workplace, *, forget=True):
    path = workplace.folder / "made.txt"
    rows = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return rows


def again(workplace, *overrides, name="new"):
    return workplace.json(
        "run", "./study.yaml", "--from", "mine", *FIXED, f"name={name}", *overrides
    )


def results(workplace, name):
    found = [
        json.loads(path.read_text())
        for path in (workplace.folder / "runs" / name).glob("trials/*/runs/*/result.json")
    ]
    assert found
    return found


def test_the_same_study_under_another_name_makes_no_run(place):
    old = place.json("report", "mine")
    new = again(place)
    assert made(place) == []
    assert [_timeless(arm) for arm in new["arms"]] == [_timeless(arm) for arm in old["arms"]]
    assert new["verdict"] == old["verdict"]
    assert new["recommended"] == old["recommended"]
    assert all(item["facts"]["taken_over"]["study"] == "mine" for item in results(place, "new"))

    shutil.rmtree(place.folder / "runs" / "mine")  # nothing rests on it any more
    again(place)
    assert made(place) == []


def _timeless(arm):
    return {key: value for key, value in arm.items() if key not in ("seconds",)}


def test_a_further_arm_costs_itself(place):
    again(place, "objective.parameters.kind=a,b,c")
    rows = made(place)
    assert {row.split()[0] for row in rows} == {"c"}
    assert len(rows) == 10


@pytest.mark.slow
def test_more_trials_cost_themselves(place):
    again(place, "budget.trials=5")
    rows = made(place)
    explored = [row for row in rows if " explore " in row]
    assert len(explored) == 2 * 2 * 2  # arms, sub-searches, further trials
    # Other finalists mean other verdict runs; those of the old ones are there.
    assert len(rows) <= len(explored) + 8


def test_a_wider_range_keeps_the_old_trials_and_costs_its_new_part(place):
    new = again(place, "objective.parameters.x=interval(0.0,2.0)")
    rows = made(place)
    explored = [float(row.split()[1]) for row in rows if " explore " in row]
    assert len(explored) == 2 * 2 * 3  # as many in the new part as in the old one, of equal length
    assert all(1.0 <= x <= 2.0 for x in explored)
    assert [arm["trials"] for arm in new["arms"]] == [12, 12]


@pytest.mark.slow
def test_a_narrower_range_keeps_what_lies_inside(place):
    old = sorted({float(item["metrics"]["loss"]) for item in results(place, "mine")})
    again(place, "objective.parameters.x=interval(0.3,1.0)")
    rows = [float(row.split()[1]) for row in made(place) if " explore " in row]
    assert old
    assert 0 < len(rows) < 12
    assert all(0.3 <= x <= 1.0 for x in rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("budget.tokens=200", "runs of 100 tokens there, 200 here"),
        ("seed=3", "seed 0 there, 3 here"),
        ("objective.parameters.seconds=0.001", "objective.parameters.seconds is 0.0 there"),
    ],
)
def test_what_is_not_the_same_is_made_again_and_said(place, override, why):
    place.run("run", "./study.yaml", "--from", "mine", *FIXED, "name=new", override)
    assert len(made(place)) == 20
    decisions = (place.folder / "runs/new/decisions.jsonl").read_text()
    assert why in decisions


@pytest.mark.slow
def test_a_study_does_not_start_from_itself(place):
    err = place.run("run", "./study.yaml", "--from", "mine", *FIXED, code=2)
    assert "mine is this study" in err


def test_a_take_over_that_was_cut_off_is_gone_on_with(place):
    again(place)
    runs = sorted((place.folder / "runs/new").glob("trials/*/runs/*"))
    for path in runs[5:]:  # as if killed in the middle
        (path / "result.json").unlink()
    again(place)
    assert made(place) == []


def test_a_trial_that_crashed_is_made_again_in_its_place_and_no_point_twice(place):
    over = next((place.folder / "runs/mine/trials").glob("*/runs/explore-*/result.json"))
    over.unlink()  # as if lost
    [trial] = [path.parents[2] / "trial.yaml" for path in [over]]
    x = next(
        line.split()[-1]
        for line in trial.read_text().splitlines()
        if line.strip().startswith("objective.parameters.x:")
    )
    again(place)
    rows = made(place)
    assert [row.split()[1] for row in rows if " explore " in row] == [x]


def test_the_plan_says_what_would_be_taken_over(place):
    told = place.json("plan", "./study.yaml", "--from", "mine", *FIXED, "name=new")["start"]
    assert "a: 6 trials (up to " in told
    told = place.json(
        "plan", "./study.yaml", "--from", "mine", *FIXED, "name=new",
        "objective.parameters.kind=a,c", "objective.parameters.x=interval(0.0,2.0)",
    )["start"]  # fmt: skip
    assert "3 more a sub-search in the wider range" in told
    assert "c: none (mine has no such arm)" in told
    text = place.run(
        "plan", "./study.yaml", "--from", "mine", *FIXED, "name=new", "budget.tokens=200"
    )
    assert "runs of 100 tokens there, 200 here" in text
    assert "selector run ./study.yaml --from mine" in text
    assert made(place) == []
    assert not (place.folder / "runs/new").exists()


@pytest.mark.slow
def test_a_grid_says_what_it_finds_again(place):
    grid = ("sampler=grid", "objective.parameters.x=range(0.0,1.0,0.5)", *FIXED)
    place.run("run", "./study.yaml", *grid, "name=grid")
    count = len(made(place))
    assert count
    told = place.json("plan", "./study.yaml", "--from", "grid", *grid, "name=new")["start"]
    assert "a: none" not in told
    place.run("run", "./study.yaml", "--from", "grid", *grid, "name=new")
    assert made(place) == []


def test_a_study_that_cannot_be_read_or_is_being_run_is_refused(place):
    asked = ("run", "./study.yaml", "--from", "mine", *FIXED, "name=new")
    with study_lock(place.folder / "runs/mine"):
        assert "is being run" in place.run(*asked, code=2)
    path = place.folder / "runs/mine/study.yaml"
    path.write_text(path.read_text().replace("format: 1", "format: 99", 1))
    assert "expected a file of format 1, got 99" in place.run(*asked, code=2)
    assert made(place) == []


@pytest.mark.slow
def test_models_are_taken_over_with_their_weights_by_a_command_that_is_killed(workplace):
    small = (
        "model.width=16", "model.depth=1", "budget.tokens=2048", "budget.trials=2",
        "budget.replicates=1", "budget.most_replicates=1", "budget.verdict_seeds=2",
        "budget.extensions=0", "tracker=none", "launcher.workers=1",
    )  # fmt: skip
    asked = ("run", "quickstart", *small)
    old = workplace.json(*asked, "optimizer=adamw,sgd", "name=old")
    files = _weights(workplace, "old")
    assert len(files) == 4

    new = ("optimizer=adamw,sgd", "name=new", "--from", "old")
    process = workplace.start(*asked, *new)
    workplace.wait_for(1, "new")
    kill(process)
    found = workplace.json(*asked, *new)
    assert len(results(workplace, "new")) == 8
    assert all("taken_over" in item["facts"] for item in results(workplace, "new"))
    assert not list((workplace.folder / "runs/new").rglob("log.txt"))  # no worker began one
    assert found["recommended"] == old["recommended"]
    assert found["verdict"] == old["verdict"]

    shutil.rmtree(workplace.folder / "runs/old")
    assert _weights(workplace, "new") == files

    workplace.run(*asked, "optimizer=adamw,sgd,lion", "name=third", "--from", "new")
    own = [item for item in results(workplace, "third") if "taken_over" not in item["facts"]]
    assert len(own) == 4  # those of the further arm
    origins = {item["facts"]["taken_over"]["study"] for item in results(workplace, "third")
               if item not in own}  # fmt: skip
    assert origins == {"old"}


def _weights(workplace, name):
    return sorted(
        path.read_bytes()
        for path in (workplace.folder / "runs" / name).rglob("checkpoint/weights.safetensors")
    )
