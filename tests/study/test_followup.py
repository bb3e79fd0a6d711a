"""Accepted choices: clearly better than the baseline, one for each thing, in the study's order."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from selector.config.question import Margin
from selector.study.answer import answer
from selector.study.followup import TOGETHER, accepted, everything, left_out, together
from selector.study.verdict import Evidence, decide
from tests.report.planted import CLIP, DROPOUT, Z, planted_study, run_planted

ARMS = {
    "plain": {},
    "drop": {DROPOUT: 0.1},
    "clip": {CLIP: 0.5},
    "muon": {"optimizer": "muon"},
    "z": {Z: 1e-4},
}
GAINS = {"drop": 0.1, "clip": 0.05, "muon": 0.2}


def loss(config):
    gained = GAINS["drop"] * (config.regularization.dropout > 0)
    gained += GAINS["clip"] * (config.regularization.grad_clip < 1)
    return 2.4 - gained - GAINS["muon"] * (config.optimizer.name == "muon")


def accept(arms=ARMS, **changes):
    stored = run_planted(planted_study(arms, **changes), loss)
    return stored.study, accepted(stored.study, answer(stored.study, stored.record))


def test_what_beats_the_baseline_is_accepted_with_its_gain():
    study, found = accept()
    assert [item.arm for item in found.choices] == ["drop", "clip", "muon"]
    assert found.notes == ()
    for item in found.choices:
        assert item.changes == ARMS[item.arm]
        assert item.gain.low <= GAINS[item.arm] <= item.gain.high
    stage = together(study, found.choices)
    assert stage.after == study.name
    assert list(stage.arms) == ["plain", TOGETHER, *map(left_out, ("drop", "clip", "muon"))]
    assert stage.arms["plain"] == {}
    assert stage.arms[TOGETHER] == {DROPOUT: 0.1, CLIP: 0.5, "optimizer": "muon"}
    assert stage.arms[left_out("clip")] == {DROPOUT: 0.1, "optimizer": "muon"}


def test_a_gain_within_the_margin_is_no_gain():
    _, found = accept(margin=Margin(absolute=0.07, share=0.0))
    assert [item.arm for item in found.choices] == ["drop", "muon"]


def test_of_choices_that_change_the_same_thing_the_better_is_taken():
    arms = {
        "plain": {},
        "low": {DROPOUT: 0.1},
        "high": {DROPOUT: 0.2, CLIP: 0.5},
        "clip": {CLIP: 2},
    }
    _, found = accept(arms)
    assert [item.arm for item in found.choices] == ["high"]
    assert "low and high change the same thing: high, which gained more, is taken." in found.notes
    assert "Only high is clearly better than plain: nothing to combine." in found.notes
    assert not found.follows
    group = {"plain": {}, "muon": {"optimizer": "muon"}, "lr": {"optimizer.betas": (0.9, 0.99)}}
    assert list(everything(planted_study(group)).arms)[1:] == [TOGETHER, left_out("muon")]


def test_a_key_that_an_arm_takes_back_is_a_change_like_any_other():
    arms = {"recipe": {"optimizer": "adamw", DROPOUT: 0.1, CLIP: 0.5}, "free": {CLIP: 0.5},
            "muon": {"optimizer": "muon", DROPOUT: 0.1, CLIP: 0.5}}  # fmt: skip
    stage = everything(planted_study(arms))
    assert stage.arms["recipe"] == arms["recipe"]
    assert stage.arms[TOGETHER] == {"optimizer": "muon", CLIP: 0.5}
    assert stage.arms[left_out("muon")] == {"optimizer": "adamw", CLIP: 0.5}


def test_a_length_is_one_thing_in_whatever_words():
    study = planted_study({"plain": {}, "tokens": {"budget.tokens": 9}, "z": {Z: 1e-4}})
    lengths = (("tokens", 5.0), ("tokens", 9.0), ("tokens", 5.0))
    arms = [replace(arm, length=length) for arm, length in zip(study.arms, lengths, strict=True)]
    epochs = replace(arms[1], name="epochs", compared={"budget.epochs": 2}, length=("epochs", 2.0))
    stage = everything(replace(study, arms=(*arms, epochs)))
    assert list(stage.arms) == ["plain", TOGETHER, left_out("tokens"), left_out("z")]
    assert stage.arms[TOGETHER] == {"budget.tokens": 9, Z: 1e-4}


def test_an_arm_that_breaks_a_constraint_is_not_accepted():
    asked = planted_study(ARMS, subject_to=("memory < 5",))
    stored = run_planted(
        asked, loss, seconds=lambda config: 9.0 if config.regularization.dropout else 1.0
    )
    found = accepted(stored.study, answer(stored.study, stored.record))
    assert [item.arm for item in found.choices] == ["clip", "muon"]


def decided(**changes):
    """The answer of a study in which drop and clip clearly gain; `changes` of an arm's evidence."""
    means = {"plain": 2.4, "drop": 2.2, "clip": 2.3, "muon": 2.4, "z": 2.4}
    evidence = {
        name: Evidence(values=(mean, mean + 0.01, mean - 0.01), cost=1.0, **changes.get(name, {}))
        for name, mean in means.items()
    }
    verdict = decide(evidence, minimize=True, margin=0.01, unit="sub-search")
    return SimpleNamespace(verdict=verdict)


def test_what_bars_a_claim_is_said():
    study = planted_study(ARMS)
    assert [item.arm for item in accepted(study, decided()).choices] == ["drop", "clip"]
    spoiled = accepted(study, decided(drop={"barred": "not every verdict run completed"}))
    assert [item.arm for item in spoiled.choices] == ["clip"]
    assert spoiled.notes[0].startswith("drop is not accepted: drop is out: not every verdict run")
    edge = accepted(study, decided(plain={"edge": "3 of 3 best settings lie at the high end"}))
    assert edge.choices == ()
    assert "clip is not accepted: plain may not be tuned well" in edge.notes[1]


@pytest.mark.parametrize("others", [1, 4])
def test_identical_arms_are_accepted_in_at_most_five_percent(others):
    source = random.Random(others)
    arms = {"plain": {}, **{f"arm {n}": {DROPOUT: 0.1 + n / 100} for n in range(others)}}
    study = planted_study(arms)
    wrong = 0
    for _ in range(1500):
        evidence = {
            name: Evidence(values=tuple(source.gauss(2.4, 0.1) for _ in range(4)), cost=1.0)
            for name in arms
        }
        verdict = decide(evidence, minimize=True, margin=0.0, unit="sub-search")
        known = SimpleNamespace(verdict=verdict)
        wrong += bool(accepted(study, known).choices)
    assert wrong / 1500 <= 0.04  # one side of 5 % in two, and its noise
