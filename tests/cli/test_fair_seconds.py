"""`fair: seconds` with real trainings: timed once, frozen, and right in everything that follows."""

from __future__ import annotations

import pytest
import yaml


@pytest.mark.slow
def test_equal_seconds_from_the_pilot_to_the_rerun(workplace):
    (workplace.folder / "text.txt").write_text("all work and no play makes jack dull\n" * 500)
    (workplace.folder / "pico.yaml").write_text(
        "defaults: [selector_study, override model: pico, override data: text,"
        " override budget: smoke, override tracker: none, _self_]\n"
        "name: pico\nfair: seconds\ncompare: {model.depth: [1, 6]}\n"
        "set: {batch.micro_batch: 4, batch.context: 32, data.paths: [text.txt]}\n"
    )
    tokens = ["budget.tokens=12800", "budget.verdict_seeds=2"]
    workplace.run("run", "./pico.yaml", *tokens)
    folder = workplace.folder / "runs" / "pico"
    stored = yaml.safe_load((folder / "study.yaml").read_text())
    slow, fast = stored["pilot"]["depth=6"], stored["pilot"]["depth=1"]
    assert slow > fast
    assert stored["arms"][0]["tokens"] == 12800
    expected = 12800 * fast / slow
    assert stored["arms"][1]["tokens"] == pytest.approx(expected, abs=64)
    assert stored["arms"][1]["tokens"] % 128 == 0
    lengths = {
        yaml.safe_load((path.parent.parent.parent / "trial.yaml").read_text())["arm"]: (
            yaml.safe_load(path.read_text())["tokens"]
        )
        for path in folder.glob("trials/*/runs/*/run.yaml")
    }
    assert lengths == {arm["name"]: arm["tokens"] for arm in stored["arms"]}

    workplace.run("run", "pico", "budget.verdict_seeds=3")
    again = yaml.safe_load((folder / "study.yaml").read_text())
    assert again["pilot"] == stored["pilot"]
    assert len(list(folder.glob("pilots/*/result.json"))) == 2
    assert workplace.json("rerun", "pico")["agrees"] is True
    report = workplace.folder / "reports" / "pico"
    recommended = yaml.safe_load((report / "recommended.yaml").read_text())
    assert recommended["budget"]["tokens"] in {arm["tokens"] for arm in stored["arms"]}
    assert "equal seconds" in (report / "index.html").read_text()

    changed = workplace.run("run", "pico", "budget.tokens=25600", code=2)
    assert "budget.tokens: stored 12800, now 25600" in changed
    assert "pico: tokens" not in changed
