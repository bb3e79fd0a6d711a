"""Runs of several lengths in one study: every place that names a length means the arm's."""

from __future__ import annotations

import json

import pytest
import yaml


@pytest.mark.slow
def test_from_the_plan_to_the_recommendation(workplace):
    overrides = [
        "./study.yaml",
        "objective.parameters.kind=a",
        "budget.tokens=50,100",
        "budget.most_replicates=0",
    ]
    plan = workplace.json("plan", *overrides)
    assert plan["tokens"] == 10 * (50 + 100)
    workplace.run("run", *overrides)
    folder = workplace.folder / "runs" / "mine"
    for path in folder.glob("trials/*/runs/*/run.yaml"):
        arm = yaml.safe_load((path.parents[2] / "trial.yaml").read_text())["arm"]
        assert f"tokens={yaml.safe_load(path.read_text())['tokens']}" == arm
    report = workplace.folder / "reports" / "mine"
    found = json.loads((report / "recommendation.json").read_text())
    spent = {arm["name"]: arm["tokens"] for arm in found["arms"]}
    assert spent == {"tokens=50": 500, "tokens=100": 1000}
    recommended = yaml.safe_load((report / "recommended.yaml").read_text())
    assert f"tokens={recommended['budget']['tokens']}" == found["recommended"]["arm"]
    assert workplace.json("rerun", "mine")["agrees"] is True
    workplace.run("run", "mine", "budget.verdict_seeds=3")  # goes on
    text = workplace.run("run", "mine", "budget.tokens=50,200", code=2)
    assert "arms: stored tokens=50, tokens=100, now tokens=50, tokens=200" in text


@pytest.mark.slow
def test_a_stored_length_is_replaced_by_one_in_other_words(workplace):
    workplace.run("run", "./study.yaml", "budget=smoke", "budget.tokens=7")
    text = workplace.run("plan", "mine", "budget.epochs=2", code=2)
    assert "expected one length" not in text
    assert "budget.epochs: what a token costs is not known" in text
