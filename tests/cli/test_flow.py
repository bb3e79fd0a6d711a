"""From a question to a rerun, on a function of the user's, outside the checkout."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest
import yaml

from selector.cli import main
from tests.cli.conftest import ROOT


def test_plan_run_status_report_rerun_train(workplace):
    plan = workplace.json("plan", "./study.yaml")
    assert (plan["trials"], plan["runs"], plan["tokens"]) == (12, 20, 2000)
    assert plan["estimated_seconds"] is None
    assert not (workplace.folder / "runs" / "mine").exists()

    text = workplace.run("run", "./study.yaml")
    assert "kind=a" in text
    assert "report:  reports/mine/index.html" in text
    assert "selector rerun mine" in text

    status = workplace.json("status", "mine")
    assert status["state"] == "complete"
    assert status["runs"] == {"asked": 20, "finished": 20, "failed": 0, "running": 0}
    assert workplace.json("plan", "./study.yaml")["estimated_seconds"] == 0

    report = workplace.folder / "reports" / "mine"
    found = json.loads((report / "recommendation.json").read_text())
    assert (found["verdict"], found["recommended"]["arm"]) == ("winner", "kind=a")
    assert found["state"] == "complete"
    with (report / "trials.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 20
    page = (report / "index.html").read_text()
    assert "Is a or b better?" in page

    again = workplace.json("rerun", "mine")
    assert again["agrees"] is True
    assert "bit for bit" in again["text"]

    recommended = yaml.safe_load((report / "recommended.yaml").read_text())
    x = recommended["objective"]["parameters"]["x"]
    assert abs(x - found["recommended"]["values"]["objective.parameters.x"]) < 1e-12
    single = workplace.json(
        "train", "reports/mine/recommended.yaml", "objective.parameters.x=0.5", "budget.tokens=2e2"
    )
    assert 1 / 3 <= single["metrics"]["loss"] < 1 / 3 + 0.01
    assert workplace.finished() == 20  # neither touched the study's own runs


def test_running_again_repeats_nothing_and_a_larger_budget_goes_on(workplace):
    workplace.run("run", "./study.yaml")
    stamps = {p: p.stat().st_mtime_ns for p in workplace.folder.rglob("result.json")}
    workplace.run("run", "./study.yaml")
    workplace.run("run", "mine", "budget.replicates=3")  # a stored name goes on with its question
    assert workplace.finished() == 30
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}


@pytest.mark.slow
def test_a_changed_question_is_refused_and_can_be_stored_beside(workplace):
    workplace.run("run", "./study.yaml")
    text = workplace.run("run", "./study.yaml", "budget.tokens=200", code=2)
    assert "budget.tokens: stored 100, now 200" in text
    assert "name=mine_2" in text
    workplace.run("run", "./study.yaml", "budget.tokens=200", "name=mine_2")
    assert workplace.finished() == 20
    assert workplace.finished("mine_2") == 20


def test_a_plain_script_without_a_main_guard(workplace):
    (workplace.folder / "script.py").write_text(
        "print('once')\n"
        "import selector\n"
        "table = selector.run('./study.yaml', ['name=first_look'])\n"
        "print(len(table), sorted(table['stage'].unique()))\n"
        "print(selector.plan('./study.yaml').runs, len(selector.results('first_look')))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=workplace.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "once\n20 ['explore', 'verdict']\n20 20\n"


@pytest.mark.slow
def test_an_unfinished_study_says_so(workplace):
    process = workplace.start("run", "./study.yaml", "set=x", "objective.parameters.seconds=1.5")
    process.communicate(timeout=30)
    assert process.returncode == 2  # `set` is given in the study file
    process = workplace.start("run", "./study.yaml", "objective.parameters.seconds=1.5")
    workplace.wait_for(3)
    assert workplace.json("status", "mine")["state"] == "running"
    text = workplace.run("report", "mine")
    assert text.strip().startswith("Unfinished")
    process.terminate()
    process.communicate(timeout=30)
    assert workplace.json("status", "mine")["state"] == "interrupted"


@pytest.mark.slow
def test_a_study_in_which_everything_fails_says_so_with_its_exit_code(workplace):
    good = (workplace.folder / "mine.py").read_text()
    (workplace.folder / "mine.py").write_text("def train(config, run):\n    raise SystemExit(0)\n")
    smoke = ["./study.yaml", "budget=smoke", "objective.parameters.kind=a"]
    # The third equal crash stops a study, those that are stored included.
    for launcher, said in (
        ("local", "none of the 2 trials"), ("inline", "3 runs crashed with the same error"),
    ):  # fmt: skip
        process = workplace.start("run", *smoke, f"launcher={launcher}")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert said in out + err
    (workplace.folder / "mine.py").write_text(good)  # mended: run again
    assert "Train with baseline" in workplace.run("run", *smoke)


def test_a_stored_name_goes_on_as_it_was_asked(workplace):
    (workplace.folder / "studies").mkdir()
    for name in ("study.yaml", "objective"):
        (workplace.folder / name).rename(
            workplace.folder / "studies" / name.replace("study", "mine")
        )
    workplace.run("run", "mine", "budget=smoke", "budget.tokens=7")
    workplace.run("run", "mine", "budget.verdict_seeds=3")  # as the report advises
    assert workplace.finished() == 10
    text = workplace.run("run", "mine", "budget=small", code=2)  # the whole of another budget
    assert "budget.tokens: stored 7, now 262144" in text
    (workplace.folder / "runs/mine/trials/notes.txt").write_text("a stray file disturbs nobody")
    assert workplace.json("status", "mine")["runs"]["finished"] == 10


@pytest.mark.slow
def test_going_on_from_another_folder(workplace):
    (workplace.folder / "text.txt").write_text("all work and no play makes jack a dull boy\n" * 500)
    (workplace.folder / "text.yaml").write_text(
        "defaults: [selector_study, override model: pico, override data: text, _self_]\n"
        "name: text\nset: {batch.micro_batch: 1, batch.context: 16}\n"
    )
    options = ["data.paths=[text.txt]", "tracker=none", "budget=smoke", "budget.tokens=64"]
    workplace.run("run", "./text.yaml", *options)
    workplace.folder = workplace.folder / "objective"
    workplace.run("run", "text", "--runs", "../runs", "--reports", "../reports")


def test_damaged_files_are_named(workplace, monkeypatch, capsys):
    workplace.run("run", "./study.yaml", "budget=smoke")
    monkeypatch.chdir(workplace.folder)
    for name, text in (
        ("trials/*/trial.yaml", "format: 1\nnumber: 1\n"),
        ("trials/*/runs/*/result.json", '{"format": 1, "outcome": "nonsense"}'),
        ("study.yaml", "[1, 2]"),
        ("study.yaml", "format: 1\n"),
    ):
        path = sorted((workplace.folder / "runs" / "mine").glob(name))[0]
        before = path.read_text()
        path.write_text(text)
        for command in (["status"], ["report", "mine"], ["rerun", "mine"], ["run", "mine"]):
            mends = command[0] == "run" and path.name == "result.json"
            assert main(command) == (0 if mends else 2)
            assert path.name in capsys.readouterr().err
        path.write_text(before)
    assert main(["status", "mine"]) == 0


def test_lists(workplace):
    assert "muon" in workplace.run("list", "optimizer")
    found = workplace.json("list")
    assert {"model", "optimizer", "schedule"} <= set(found["axes"])
    assert "quickstart" in found["studies"]
    assert "nothing is stored" in workplace.run("status")
