from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from selector.config.decode import run_config
from selector.config.identity import config_fingerprint
from selector.config.single import compose_single
from selector.report.facts import how_it_was_run
from selector.report.recommendation import recommendation, recommended_yaml
from selector.report.results import results
from selector.study.answer import answer
from selector.track.record import from_yaml
from selector.track.run import Result, Trial
from tests.report.build import ADAMW, MUON, SGD, Builder, finished, study


def test_the_keys_are_those_that_programs_rely_on() -> None:
    stored = finished(ADAMW, MUON, SGD, trials=4).stored()
    content = recommendation(stored, answer(stored.study, stored.record))
    assert list(content) == [
        "format", "study", "question", "state", "verdict", "recommended", "arms", "margin",
        "method", "together", "interactions", "pareto", "transfer", "scaling", "health", "caveats",
        "provenance", "rerun",
    ]  # fmt: skip
    assert list(content["recommended"]) == ["arm", "trial", "fingerprint", "values"]
    assert list(content["arms"][0]) == [
        "name", "trials", "failures", "mean", "low", "high", "seeds", "seconds", "tokens", "flops",
    ]  # fmt: skip
    assert list(content["health"][0]) == ["check", "arm", "text", "remedy"]
    assert (content["state"], content["verdict"]) == ("complete", "winner")
    assert content["rerun"] == "selector rerun optimizers"
    json.dumps(content, allow_nan=False)


def test_it_agrees_with_the_answer() -> None:
    stored = finished(ADAMW, MUON).stored()
    found = answer(stored.study, stored.record)
    content = recommendation(stored, found)
    assert found.verdict is not None
    assert found.recommended is not None
    for arm in content["arms"]:
        estimate = found.verdict.estimates[arm["name"]]
        assert (arm["mean"], arm["low"], arm["high"]) == (
            estimate.mean,
            estimate.low,
            estimate.high,
        )
    assert content["recommended"]["fingerprint"] == found.recommended.fingerprint
    assert content["margin"] == found.verdict.margin
    (lead,) = content["provenance"]["evidence"]["comparisons"]
    assert lead["lead"] == found.verdict.comparisons[0].lead


def test_how_it_was_run_is_kept() -> None:
    stored = finished(ADAMW, MUON, notes=("set: optimizer.betas dropped for sgd",)).stored()
    stored.record.decide({"decision": "finalist", "trial": 3})
    kept = recommendation(stored, answer(stored.study, stored.record))["provenance"]
    assert kept["facts"]["versions.torch"] == ["2.13.0"]
    assert kept["facts"]["device"] == ["cpu"]
    assert kept["seeds"]["verdict"] == sorted(
        stored.study.seed_of("verdict", sub, place) for sub in range(4) for place in range(2)
    )
    assert kept["data_fingerprint"] == "d4c81f90a7b2"
    assert kept["notes"] == ["set: optimizer.betas dropped for sgd"]
    assert kept["decisions"] == [{"format": 1, "decision": "finalist", "trial": 3}]
    assert kept["runs"] == {"over": 80, "planned": 80}
    assert "started" not in kept


def test_energy_utilization_and_what_cannot_be_compared_are_said() -> None:
    def change(result: Result, trial: Trial, stage: str) -> Result:
        share = 0.4 if stage == "verdict" else 0.3
        spikes = 3.0 if stage == "verdict" else 0.0
        own = {"model_flop_utilization": share, "loss_spikes": spikes}
        metrics = {**result.metrics, **own}
        facts = {**result.facts, "device_joules": 45_000.0}
        return replace(result, metrics=metrics, facts=facts)

    built = finished(ADAMW, MUON, change=change)
    first, second = built.study.arms
    smoothed = replace(second.config.regularization, label_smoothing=0.1)
    second = replace(second, config=replace(second.config, regularization=smoothed))
    built.study = replace(built.study, arms=(first, second))
    stored = built.stored()
    kept = recommendation(stored, answer(stored.study, stored.record))["provenance"]
    assert kept["utilization"] == 0.3
    assert kept["joules"] == 80 * 45_000.0
    assert kept["spikes"] == {"runs": 80, "with": 16, "most": 3}
    assert set(kept["incomparable"]) >= {"validation/loss", "validation/perplexity"}
    assert "validation/accuracy" not in kept["incomparable"]
    assert results(stored).attrs["incomparable"] == kept["incomparable"]
    lines = {line.name: line.value for line in how_it_was_run(kept)}
    assert lines["Energy"].startswith("1 kWh by the GPUs in all runs together, ")
    assert lines["Spikes of the loss"] == "in 16 of 80 completed runs, at most 3 in one"
    assert lines["Model-FLOP utilization"] == "30 % of the device's peak in the median run"
    (marked,) = [name for name in lines if "validation/loss" in name]
    assert marked.startswith("Not comparable, ")
    assert "label smoothing" in lines[marked]
    plain = finished(ADAMW, MUON).stored()
    kept = recommendation(plain, answer(plain.study, plain.record))["provenance"]
    assert (kept["utilization"], kept["joules"], kept["incomparable"]) == (None, None, {})


def test_without_an_answer_there_are_nulls() -> None:
    stored = Builder(study([ADAMW, MUON]), [ADAMW, MUON]).explore(0.5).stored()
    content = recommendation(stored, answer(stored.study, stored.record))
    assert content["state"] == "unfinished"
    assert (content["verdict"], content["recommended"], content["margin"]) == (None, None, None)
    assert content["rerun"] is None
    assert content["arms"][0]["mean"] is None


def test_one_arm_has_no_verdict() -> None:
    stored = finished(ADAMW).stored()
    content = recommendation(stored, answer(stored.study, stored.record))
    assert content["verdict"] is None
    assert content["recommended"]["arm"] == "adamw"


def test_with_one_sub_search_the_claim_is_about_configurations() -> None:
    stored = finished(ADAMW, MUON, replicates=1, verdict_seeds=3).stored()
    content = recommendation(stored, answer(stored.study, stored.record))
    assert any("compares these configurations" in text for text in content["caveats"])


def test_the_configuration_comes_back_from_its_file() -> None:
    stored = finished(ADAMW, MUON).stored()
    trial = answer(stored.study, stored.record).recommended
    assert trial is not None
    text = recommended_yaml(stored, trial, "reports/optimizers/recommended.yaml")
    content = from_yaml(text)
    parts = {k: v for k, v in content.items() if k not in ("format", "choices", "budget")}
    assert config_fingerprint(run_config(parts)) == trial.fingerprint
    assert content["choices"] == {"optimizer": "muon", "model": "pico"}
    assert content["budget"] == {"tokens": stored.study.budget.tokens}
    assert "selector train reports/optimizers/recommended.yaml\n" in text
    assert "selector rerun optimizers\n" in text


def test_selector_train_takes_the_file(tmp_path: Path) -> None:
    stored = finished(ADAMW).stored()
    trial = answer(stored.study, stored.record).recommended
    assert trial is not None
    file = tmp_path / "recommended.yaml"
    file.write_text(recommended_yaml(stored, trial, str(file)))
    single = compose_single(from_yaml(file.read_text()), [])
    assert config_fingerprint(single.config) == trial.fingerprint
    assert single.length == ("tokens", stored.study.budget.tokens)
    assert single.seed == stored.study.seed_of("verdict", trial.sub_search)
    assert single.origin["trial"] == trial.number


def test_what_an_option_takes_from_a_recommendation_is_said() -> None:
    stored = finished(ADAMW, MUON, SGD, trials=4).stored()
    found = answer(stored.study, stored.record)
    assert found.recommended is not None
    mapping = from_yaml(recommended_yaml(stored, found.recommended, "recommended.yaml"))
    mapping["model"] |= {"position": "rope", "norm": "rms"}
    (note,) = compose_single(mapping, ["model=mini", "model.norm=rms"]).notes
    assert note.startswith("model=mini replaces the recommended model")
    assert note.endswith("add what is to stay: model.position=rope")
    kept = compose_single(mapping, ["model.depth=3"])
    assert kept.notes == ()
    assert kept.config.model.position == "rope"
