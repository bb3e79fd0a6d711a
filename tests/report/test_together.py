"""Accepted choices together: planted interactions of three choices are found with their size."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from selector.report.recommendation import recommendation
from selector.report.together import combined, find_together, lines, to_mapping
from selector.study.answer import answer
from selector.study.contrast import Contrast
from selector.study.followup import TOGETHER, accepted, left_out, second_name, together
from tests.report.planted import CLIP, DROPOUT, Z, planted_study, run_planted

ARMS = {"plain": {}, "drop": {DROPOUT: 0.1}, "clip": {CLIP: 0.5}, "z": {Z: 1e-4}}


def loss(overlap, harm=0.0):
    """Each choice gains .1 alone; dropout and clipping overlap, and z harms beside both."""

    def value(config):
        part = config.regularization
        drop, clip, z = part.dropout > 0, part.grad_clip < 1, part.z_loss > 0
        return (
            2.4 - 0.1 * (drop + clip + z) + overlap * (drop and clip) + harm * (drop and clip and z)
        )

    return value


def stages(value, folder=None):
    """Both stages of a study, run; below `folder`, or in memory."""
    asked = planted_study(ARMS, name="first", then=("together",))
    first = run_planted(asked, value, folder=folder and folder / asked.name)
    stage = together(first.study, accepted(first.study, answer(first.study, first.record)).choices)
    asked = planted_study(stage.arms, name=second_name("first"), after="first", seed=1001)
    return first, run_planted(asked, value, folder=folder and folder / asked.name)


def found(first, second):
    known, other = (answer(item.study, item.record) for item in (first, second))
    return combined(first, known, second, other)


def alone(stored):
    return find_together(stored, answer(stored.study, stored.record))


def test_gains_that_do_not_add_up(tmp_path):
    first, second = stages(loss(0.06), tmp_path)
    both = alone(first)
    assert both == alone(second) == found(first, second)  # either report says the same
    assert both.state == "complete"
    assert both.gain.value == pytest.approx(0.24, abs=0.005)  # 3 standard errors
    for item in (both.interaction, both.interaction_alone):  # the second: only pairs interact here
        assert item.value == pytest.approx(-0.06, abs=0.02)
        assert item.below
    assert "they overlap" in both.sentence
    assert f"Together, drop, clip and z gain {both.gain.value:.3f}" in both.sentence
    single = both.gain.value - both.interaction.value
    assert f"one by one they gain {single:.3f}" in both.sentence
    still = {item.arm: item.still.value for item in both.choices}
    assert still == pytest.approx({"drop": 0.04, "clip": 0.04, "z": 0.1}, abs=0.005)
    assert all("still brings" in item.words for item in both.choices)


def test_gains_that_add_up_and_gains_that_help_each_other():
    assert "practically add up" in found(*stages(loss(0.0))).sentence
    assert "help each other" in found(*stages(loss(-0.08))).sentence


def test_a_choice_that_does_harm_beside_the_others_is_named():
    words = {item.arm: item.words for item in found(*stages(loss(0.0, harm=0.15))).choices}
    assert "harm" in words["z"]  # beside both it loses .15 and brings .1
    words = {item.arm: item.words for item in found(*stages(loss(0.1))).choices}
    assert "practically nothing" in words["drop"]


def test_noise_leaves_it_unsettled():
    first, second = stages(loss(0.02))
    other = answer(second.study, second.record)
    estimates = {
        name: replace(item, values=(2.0, 2.1, 2.2, 2.3))
        for name, item in other.verdict.estimates.items()
    }
    noisy = replace(other, verdict=replace(other.verdict, estimates=estimates))
    both = combined(first, answer(first.study, first.record), second, noisy)
    assert "whether they add up is not settled" in both.sentence
    assert {item.words for item in both.choices} == {"not settled"}


def test_its_plain_form_gives_the_table_back(tmp_path):
    first, _ = stages(loss(0.06), tmp_path)
    content = recommendation(first, answer(first.study, first.record))["together"]
    assert content == to_mapping(alone(first)) | {"choices": content["choices"]}
    assert Contrast(**content["interaction"]) == alone(first).interaction
    table = lines(content)
    assert [line["arm"] for line in table] == ["drop", "clip", "z"]
    assert table[0]["alone"].startswith(f"{alone(first).choices[0].alone.value:.3f}")
    assert " to " in table[0]["still"]
    assert any("optimistic" in note for note in content["notes"])


def test_states_before_the_second_stage_is_over(tmp_path):
    asked = planted_study(ARMS, name="first", then=("together",))
    first = run_planted(asked, loss(0.06), folder=tmp_path / "first")
    both = alone(first)
    assert both.state == "to_come"
    assert "Still to come: drop, clip and z together" in both.sentence
    unfinished = replace(answer(first.study, first.record), complete=False)
    assert find_together(first, unfinished).choices == ()
    weak = run_planted(asked, lambda config: 2.4, folder=tmp_path / "weak")
    assert alone(weak).state == "nothing"
    assert alone(weak).notes == ("No arm is clearly better than plain: nothing to combine.",)
    other = run_planted(planted_study(ARMS), loss(0.0))
    assert alone(other) is None
    assert recommendation(other, answer(other.study, other.record))["together"] is None


def test_intervals_cover_the_interaction():
    """Over studies: both estimates cover the planted overlap, the second stage's without bias."""
    inside, errors = [0, 0], []
    value, studies = loss(0.06), 60
    first, second = stages(value)
    known, other = (answer(item.study, item.record) for item in (first, second))
    source = random.Random(5)
    truth = {arm.name: value(arm.config) for arm in (*first.study.arms, *second.study.arms)}
    for _ in range(studies):

        def drawn(item):
            estimates = {
                name: replace(
                    estimate, values=tuple(source.gauss(truth[name], 0.01) for _ in range(4))
                )
                for name, estimate in item.verdict.estimates.items()
            }
            return replace(item, verdict=replace(item.verdict, estimates=estimates))

        both = combined(first, drawn(known), second, drawn(other))
        if both.state != "complete" or len(both.choices) < 3:
            continue
        for place, item in enumerate((both.interaction, both.interaction_alone)):
            inside[place] += item.low <= -0.06 <= item.high
        errors.append(both.interaction_alone.value + 0.06)
    assert len(errors) > studies * 0.9
    assert min(inside) >= 0.88 * len(errors)
    assert abs(sum(errors) / len(errors)) < 0.006
    assert {TOGETHER, left_out("z")} <= set(truth)
