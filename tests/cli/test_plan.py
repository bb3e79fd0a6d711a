"""What `selector plan` prints, for people and for programs."""

from __future__ import annotations

import pytest

from selector.config import extras


@pytest.fixture
def pico(workplace):
    """A study of small models on a text of 50,000 bytes, all of it known."""
    (workplace.folder / "text.txt").write_text("all work and no play makes jack dull\n" * 1352)
    (workplace.folder / "pico.yaml").write_text(
        "defaults: [selector_study, override model: pico, override data: text,"
        " override budget: medium, override tracker: none, _self_]\n"
        "name: pico\nquestion: Is muon better?\ncompare: {optimizer: [adamw, muon]}\n"
        "set: {batch.micro_batch: 4, batch.context: 16, data.paths: [text.txt]}\n"
    )
    return workplace


def test_everything_that_decides_the_answer_is_in_a_plan(pico):
    text = pico.run(
        *("plan", "./pico.yaml", "budget.hours=2", "pareto=[seconds]"),
        "subject_to=['seconds < 60']",
    )
    for expected in (
        "  adamw: optimizer.lr 0.0003 to 0.03, log; optimizer.weight_decay",
        "  muon: optimizer.lr",
        "Fixed: model pico, schedule linear_to_zero, objective causal_lm, data text",
        "batch.micro_batch=4",
        "216 runs (137 M tokens in all): up to 16 trials in each of 4 sub-searches",
        "then the best 2 once more on a screening seed, 3 fresh seeds for the best of each",
        "first trains for a third of its tokens",
        "sub-searches are added, to 8 an arm: 216 more runs",
        "the range is extended, at most 2 times an arm",
        "Subject to: seconds < 60.",
        "Quality is shown against: seconds.",
        "No more runs are started after 2 h of a command",
        "standard deviations between sub-searches (",
    ):
        assert expected in text, expected


def test_a_plan_for_programs(pico):
    plan = pico.json("plan", "./pico.yaml", "budget.rungs=never")
    assert {"study", "arms", "trials", "tokens", "estimated_seconds"} <= set(plan)
    assert plan["trials"] == 2 * 16 * 4
    assert plan["runs"] == 2 * 4 * (16 + 2 + 3)
    assert plan["tokens"] == plan["runs"] * 1_048_576
    arm = plan["arms"][0]
    runs = {key: value for key, value in arm.items() if key.endswith("_runs")}
    assert runs == {"rung1_runs": 0, "explore_runs": 64, "screen_runs": 8, "verdict_runs": 12}
    assert arm["tokens"] == 84 * arm["tokens_per_run"]
    assert plan["more_runs"] == {"looks": 168, "extensions": 2 * 8 * 2 * 8}
    assert plan["fixed"]["batch.context"] == 16
    assert plan["limits"] == {"hours": None, "device_hours": None}
    assert plan["rungs"] is False


def test_epochs_are_those_of_the_prepared_text(pico):
    plan = pico.json("plan", "./pico.yaml", "budget.epochs=2", "budget.rungs=never")
    training = 0.9 * (37 * 1352)  # bytes, without validation and test part
    assert plan["arms"][0]["tokens_per_run"] == pytest.approx(2 * training, abs=64)
    assert plan["arms"][0]["tokens_per_run"] % 64 == 0
    both = pico.json("plan", "./pico.yaml", "budget.epochs=1,2", "optimizer=adamw")
    assert [arm["name"] for arm in both["arms"]] == ["epochs=1.0", "epochs=2.0"]
    ratio = both["arms"][1]["tokens"] / both["arms"][0]["tokens"]
    assert ratio == pytest.approx(2, rel=0.01)


def test_rungs_that_are_off_say_why(pico):
    text = pico.run("plan", "./pico.yaml", "batch.micro_batch=4,8", "optimizer=adamw")
    assert "note: rungs: off: batch.micro_batch is compared" in text
    assert "a third of its tokens" not in text


def test_a_narrow_table_cuts_no_name(pico, monkeypatch):
    for columns, whole in ((100, True), (80, False)):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = pico.run("plan", "./pico.yaml", "model.parametrization=standard,mup")
        table = text.partition("Tuned:")[0]
        assert "…" not in table
        assert ("parametrization=standard" in table) or not whole


def test_a_setting_without_effect_is_noted(pico):
    note = "note: batch.context_start: has no effect with context_warmup=0"
    assert note in pico.run("plan", "./pico.yaml", "batch.context_start=12")
    assert note not in pico.run("plan", "./pico.yaml", "batch.context_warmup=0.5")


def test_a_function_has_no_flops_and_no_epochs(workplace):
    text = workplace.run("plan", "./study.yaml")
    assert "Fixed: objective mine." in text
    assert "Tuned: objective.parameters.x 0 to 1." in text
    assert "note: rungs: off: a function decides itself" in text
    for override in ("budget.flops=1e9", "budget.epochs=2", "fair=flops", "fair=seconds"):
        mistake = workplace.run("plan", "./study.yaml", override, code=2)
        assert "what a token costs is not known for objective.kind=function" in mistake
    mistake = workplace.run("plan", "./study.yaml", "--explain", code=2)
    assert "got objective.kind function in kind=a: what a token costs is not known" in mistake
    lengths = workplace.json("plan", "./study.yaml", "budget.tokens=10,20")
    assert [arm["tokens_per_run"] for arm in lengths["arms"]] == [10, 20, 10, 20]


def test_what_cannot_be_compared_is_refused_with_the_metric_to_use_instead(pico):
    smoothed = ("./pico.yaml", "regularization.label_smoothing=0.0,0.1")
    for command in ("plan", "run"):
        mistake = pico.run(command, *smoothed, code=2)
        assert "use objective.metric=validation/accuracy objective.direction=maximize" in mistake
    assert not (pico.folder / "runs" / "pico").exists()


def test_an_explanation_for_programs_and_for_people(pico, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    plan = pico.json("plan", "./pico.yaml", "--explain")
    muon = plan["explained"][1]
    assert muon["arms"] == ["muon"]
    memory = muon["memory"]
    assert memory["total"] == sum(memory.values()) - memory["total"] > memory["logits"] > 0
    assert muon["ratio"] == pytest.approx(1, abs=0.02)
    assert {row["group"] for row in muon["rates"]} >= {"hidden", "embedding", "vector"}
    assert "explained" not in pico.json("plan", "./pico.yaml")
    text = pico.run("plan", "./pico.yaml", "--explain")
    explained = text.partition("selector run ./pico.yaml")[2]
    assert max(map(len, explained.splitlines())) <= 100
    for expected in (
        "torch counts",
        "MiB by formula for one run",
        "steps of warmup",
        "peak rate",
        "weight decay",
        "Step Law",
    ):
        assert expected in explained, expected


def test_a_library_that_is_not_installed_is_noted_before_the_run_refuses(pico, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    asked = ("./pico.yaml", "optimizer=library,soap,adamw", "name=missing")
    text = "which is not installed here: pip install 'selector[optimizers]'"
    notes = [note for note in pico.json("plan", *asked)["notes"] if text in note]
    assert [note.partition(" needs ")[0] for note in notes] == ["optimizer adan", "optimizer soap"]
    assert f"note: {notes[1]}" in pico.run("plan", *asked)
    error = pico.run("run", *asked, code=2)
    assert f"soap: {notes[1]}" in error
    assert "optimizer adan needs pytorch_optimizer" in error
