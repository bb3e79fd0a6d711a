"""Quality against cost: fronts, domination with intervals in words, and what is never mixed."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace

import pytest

from selector.report.figures import pareto_figure
from selector.report.pareto import lines, lonely, on_front, pareto, to_mapping
from selector.report.recommendation import recommendation
from selector.report.write import write_report
from selector.study.answer import answer
from selector.track.run import Run
from tests.report.build import ADAMW, METRIC, MUON, finished
from tests.report.planted import CLIP, DROPOUT, planted_study, run_planted

ARMS = {"plain": {}, "slow": {DROPOUT: 0.1}, "cheap": {CLIP: 0.5}, "poor": {CLIP: 2.0}}


def loss(config):
    part = config.regularization
    return 2.4 - 0.1 * (part.dropout > 0) + 0.1 * (part.grad_clip < 1) + 0.2 * (part.grad_clip > 1)


def memory(config):
    part = config.regularization
    return 10.0 * (2.0 if part.dropout else 0.7 if part.grad_clip < 1 else 1.0)


def measured(loss=loss, memory=memory, **changes):
    asked = planted_study(ARMS, pareto=("memory", "parameters"), **changes)
    stored = run_planted(asked, loss, seconds=memory)
    return stored, answer(stored.study, stored.record)


def words(stored, found, cost=0):
    return {item.arm: item.words for item in pareto(stored, found)[cost].arms}


@pytest.mark.parametrize("seed", range(20))
def test_a_front_is_what_nothing_else_beats_in_both(seed):
    source = random.Random(seed)  # few values, so that many points are equal in one or both
    spread = [(source.randrange(8), source.randrange(4)) for _ in range(40)]
    points = [(x, 9 - x + y) for x, y in spread]
    expected = [
        not any(other[0] <= x and other[1] <= y and other != (x, y) for other in points)
        for x, y in points
    ]
    assert on_front(points) == expected
    assert 3 < sum(expected) < 40


def test_arms_are_compared_on_fresh_seeds_with_words_for_both():
    stored, found = measured()
    item = pareto(stored, found)[0]
    assert {arm.arm: arm.front for arm in item.arms} == {
        "plain": True, "slow": True, "cheap": True, "poor": False,
    }  # fmt: skip
    said = words(stored, found)
    assert said["slow"] == "has the best value"
    for name, value, share in (("plain", 0.1, 50), ("cheap", 0.2, 65)):
        words_of = re.fullmatch(
            r"trades (\S+) \((\S+) to (\S+)\) for (\d+) % \((\d+) to (\d+)\) less memory",
            said[name],
        )
        lead, low, high, less, least, most = map(float, words_of.groups())
        assert lead == pytest.approx(value, abs=0.006)
        assert less == pytest.approx(share, abs=2)
        assert low < lead < high
        assert least <= less <= most
    for arm in item.arms:
        own = stored.study.arm(arm.arm).config
        assert arm.cost.value == pytest.approx(memory(own), rel=0.02)
        assert arm.value.value == pytest.approx(loss(own), abs=0.005)
        assert arm.cost.low < arm.cost.value < arm.cost.high
    assert said["poor"].endswith(" is at least as good and as cheap in the mean")
    order = [line["name"] for line in lines(item)]
    assert order == ["cheap", "plain", "slow", "poor"]  # the front by cost, then the others


def test_better_and_cheaper_and_practically_as_good():
    stored, found = measured(memory=lambda config: 10.0 + 5 * (config.regularization.dropout == 0))
    assert words(stored, found)["plain"].startswith("slow is better by 0.")
    assert re.search(r" and cheaper: this needs (49|50|51) % \(", words(stored, found)["plain"])
    stored, found = measured(loss=lambda config: 2.4 - 0.001 * (config.regularization.dropout > 0))
    said = words(stored, found)
    best = next(arm for arm, text in said.items() if text == "has the best value")
    others = [text for arm, text in said.items() if arm != best]
    assert all(text.startswith(f"practically as good as {best}") for text in others)


def test_noise_is_not_called_a_trade():
    source = random.Random(2)
    stored, found = measured()
    estimates = {
        name: replace(item, values=tuple(source.gauss(2.4 + place / 10, 1.0) for _ in range(4)))
        for place, (name, item) in enumerate(found.verdict.estimates.items())
    }
    noisy = replace(found, verdict=replace(found.verdict, estimates=estimates))
    said = words(stored, noisy)
    assert sum("is not settled" in text for text in said.values()) == 3
    assert not any("trades" in text or "is better" in text for text in said.values())


def test_costs_known_by_formula_are_exact_and_shared():
    stored, found = measured()
    item = pareto(stored, found)[1]
    assert {arm.cost.low == arm.cost.high for arm in item.arms} == {True}
    said = words(stored, found, cost=1)
    assert "at the same parameters" in said["plain"]
    assert [arm.arm for arm in item.arms if arm.front] == ["slow"]


def test_a_front_never_mixes_lengths():
    builder = finished(ADAMW, MUON, trials=6, pareto=("flops",))
    stored = builder.stored()
    for trial in list(stored.record.trials.values())[:5]:
        key = stored.record.run_key(trial, "rung1", 7)
        run = Run(key=key, config=trial.config, stage="rung1", seed=7, tokens=1000)
        stored.record.ask(run, trial)
        whole = next(item for item in stored.record.runs("explore") if item.trial is trial)
        stored.record.finish(key, replace(whole.result, value=whole.result.value + 1.0))
    item = pareto(stored, answer(stored.study, stored.record))[0]
    fronts = {stage: [t for t in item.trials if t.stage == stage and t.front] for stage in
              ("explore", "rung1")}  # fmt: skip
    assert fronts["explore"], "a cheap short run would hide every long one"
    assert fronts["rung1"]
    assert max(t.cost for t in fronts["rung1"]) < min(t.cost for t in fronts["explore"])
    figure = pareto_figure(item, METRIC, ["adamw", "muon"])
    drawn = [y for trace in figure["data"] if trace["mode"] == "markers" for y in trace["y"]]
    assert len(drawn) == len(item.arms) + sum(t.stage == "explore" for t in item.trials)


def test_trials_of_the_front_that_no_fresh_seed_saw_are_counted():
    stored, found = measured()
    item = pareto(stored, found)[0]
    finalists = {finalist.trial.number for finalist in found.finalists}
    front = [trial for trial in item.trials if trial.front]
    assert lonely(item) == sum(trial.trial not in finalists for trial in front)
    assert {trial.finalist for trial in item.trials} == {True, False}


def test_what_breaks_a_constraint_or_has_no_such_cost_is_left_out_and_counted():
    stored, found = measured(subject_to=("memory < 15",))
    item = pareto(stored, found)[0]
    assert item.left_out == 8  # all trials of the arm `slow`
    assert "slow" not in {trial.arm for trial in item.trials}
    bare = finished(ADAMW, MUON, trials=4, pareto=("peak_memory_gib",)).stored()
    item = pareto(bare, answer(bare.study, bare.record))[0]
    assert (item.arms, item.trials) == ((), ())
    assert item.missing == sum(run.result.value is not None for run in bare.record.runs("explore"))


def test_recommendation_has_it_where_it_was_asked():
    stored, found = measured()
    content = recommendation(stored, found)["pareto"]
    assert content == json.loads(json.dumps(to_mapping(pareto(stored, found))))
    assert list(content) == ["memory", "parameters"]
    names = {arm["name"] for arm in content["memory"]["arms"]}
    assert names == set(ARMS)
    assert all(trial["stage"] == "explore" for trial in content["memory"]["front"])
    plain = finished(ADAMW, MUON, trials=4).stored()
    assert recommendation(plain, answer(plain.study, plain.record))["pareto"] is None


def test_the_page_shows_and_escapes_it(tmp_path):
    arms = {"plain": {}, "<b>x</b>": {DROPOUT: 0.1}, "cheap": {CLIP: 0.5}}
    stored = run_planted(planted_study(arms, pareto=("memory",)), loss, seconds=memory)
    page = write_report(stored, tmp_path).page.read_text()
    assert '<section id="costs">' in page
    assert "figure-cost-0" in page
    assert "<b>x</b>" not in page
    assert "one noisy run" in page
    without = write_report(
        finished(ADAMW, MUON, trials=4).stored(), tmp_path / "b"
    ).page.read_text()
    assert '<section id="costs">' not in without


def test_nothing_has_no_front():
    assert on_front([]) == []
