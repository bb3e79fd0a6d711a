"""A ladder of real, tiny trainings: the report says what was measured and refuses the rest."""

from __future__ import annotations

import json

import pytest

from selector.cli import main


@pytest.mark.slow
def test_a_ladder_of_sizes_and_lengths(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["budget=smoke", "budget.trials=6", "tracker=none", "batch.micro_batch=4"]
    options += ["objective.evaluations=1", "objective.evaluation_tokens=4096"]
    lengths = "budget.tokens=2048,18432"
    assert main(["run", "ladder", *options, "model=pico,nano", lengths]) == 0
    capsys.readouterr()
    found = json.loads((tmp_path / "reports/ladder/recommendation.json").read_text())
    (ladder,) = found["scaling"]["ladders"]
    losses = {(rung["model"], rung["tokens"]): rung["loss"] for rung in ladder["rungs"]}
    assert len(losses) == 4
    for model in ("pico", "nano"):  # nine times as long is better, whatever six trials found
        assert losses[model, 2048] > losses[model, 18432]
    assert "2 sizes, 2 lengths" in ladder["refused"]
    transfer = found["transfer"]
    assert transfer["measured"] is True
    axes = [pair["axis"] for pair in transfer["ladders"][0]["pairs"]]
    assert sorted(set(axes)) == ["length", "size", "size and length"]
    assert (tmp_path / "reports/ladder/index.html").stat().st_size > 1e6
