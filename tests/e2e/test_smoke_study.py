"""The product in one test: real text, a real GPT, a report, a mirror, and a rerun that agrees."""

from __future__ import annotations

import json

import pytest

from selector.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_study_of_optimizers_on_the_standard_library(folder, capsys):
    options = ["budget=smoke", "tracker=none", "name=smoke", "batch.micro_batch=4"]
    assert main(["run", "quickstart", *options, "budget.tokens=4096"]) == 0
    assert "Not enough evidence yet" in capsys.readouterr().out
    found = json.loads((folder / "reports/smoke/recommendation.json").read_text())
    assert found["verdict"] == "insufficient_evidence"
    assert {arm["name"] for arm in found["arms"]} == {"adamw", "muon"}
    # A GPT that has learned nothing is at ln 256 = 5.55; after 16 steps it is below that.
    assert all(2.0 < arm["mean"] < 5.2 for arm in found["arms"])
    assert list((folder / "runs/smoke").glob("trials/*/runs/verdict-*/checkpoint/*.safetensors"))

    assert main(["rerun", "smoke", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["agrees"] is True
    assert "bit for bit" in again["text"]

    recommended = "reports/smoke/recommended.yaml"
    assert main(["train", recommended, "tracker=none", "--json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert same["metrics"]["validation/loss"] == again["metrics"]["validation/loss"]
    assert not (folder / "runs/mlflow.db").exists()

    longer = ["optimizer.lr=0.001", "budget.tokens=5e3", "schedule=constant", "tracker=none"]
    assert main(["train", recommended, *longer, "--json"]) == 0
    single = json.loads(capsys.readouterr().out)
    assert single["fingerprint"] != again["fingerprint"]
    assert {"validation/loss", "test/loss", "validation/bits_per_byte"} <= set(single["metrics"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_of_optimizers_from_libraries(folder, capsys):
    options = ["budget=smoke", "tracker=none", "name=tier_2", "batch.micro_batch=4"]
    options += ["optimizer=adamw,schedule_free_adamw,library", "schedule=constant"]
    assert main(["run", "quickstart", *options, "budget.tokens=4096"]) == 0
    found = json.loads((folder / "reports/tier_2/recommendation.json").read_text())
    assert {arm["name"] for arm in found["arms"]} == {"adamw", "schedule_free_adamw", "library"}
    # A GPT that has learned nothing is at ln 256 = 5.55.
    assert all(not arm["failures"] and 2.0 < arm["mean"] < 5.4 for arm in found["arms"])
    caveats = " ".join(found["caveats"])
    assert "Runs of schedule_free_adamw, library train one at a time" in caveats
    assert "of library are a library's or common to all its algorithms, not tuned by us" in caveats
    capsys.readouterr()
    assert main(["rerun", "tier_2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agrees"] is True


@pytest.mark.slow
def test_a_rerun_on_other_text_says_so_before_it_compares(folder, capsys):
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 2000)
    options = ["budget=smoke", "tracker=none", "name=mine", "batch.micro_batch=4"]
    options += ["data=text", "data.paths=[text.txt]", "budget.tokens=1024"]
    assert main(["run", "quickstart", *options]) == 0
    (folder / "text.txt").write_text("a stitch in time saves nine\n" * 3000)
    capsys.readouterr()
    assert main(["rerun", "mine", "--json"]) == 0
    captured = capsys.readouterr()
    again = json.loads(captured.out)
    assert again["agrees"] is None
    assert again["text"].startswith("The data differs")
    assert captured.err.startswith("The data differs")  # at once, for one who would rather stop
    assert main(["run", "mine"]) == 2
    assert "data.fingerprint: stored" in capsys.readouterr().err
