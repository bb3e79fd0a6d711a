from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from selector.report.recommendation import recommendation
from selector.report.words import answer_sentence, settings
from selector.study.answer import answer
from selector.track.run import Outcome
from tests.report.build import ADAMW, MUON, SGD, Builder, Surface, finished, study

SAME = Surface(name="lion", best=2.4, seconds=9.0)
CASES = {
    "winner": finished(ADAMW, MUON),
    "winner of three": finished(ADAMW, MUON, SGD),
    "tie": finished(ADAMW, SAME, noise=0.002),
    "unclear": finished(ADAMW, Surface(name="lion", best=2.41), noise=0.03),
    "edge": finished(ADAMW, Surface(name="lion", best=2.45, rate=2e-5), noise=0.004),
    "smoke": finished(ADAMW, MUON, trials=2, replicates=1, verdict_seeds=1),
    "seeds": finished(ADAMW, MUON, replicates=1, verdict_seeds=3, noise=0.04),
    "one arm": finished(ADAMW),
    "maximize": finished(ADAMW, MUON, direction="maximize"),
    "function": finished(ADAMW, MUON, objective="function"),
    "nothing tuned": finished(Surface(tuned=False), Surface(name="muon", tuned=False)),
    "half": Builder(study([ADAMW, MUON]), [ADAMW, MUON]).explore(0.5),
    "verdict half": Builder(study([ADAMW, MUON]), [ADAMW, MUON]).explore(0.5).verdict(),
    "nothing": Builder(study([ADAMW]), [ADAMW]),
    "all diverged": finished(ADAMW, MUON, outcome=lambda trial, stage: Outcome.DIVERGED),
    "no verdict run": finished(
        ADAMW, MUON, outcome=lambda trial, stage: Outcome.LOST if stage == "verdict" else None
    ),
    "one arm dead": finished(
        ADAMW, MUON, outcome=lambda trial, stage: Outcome.CRASHED if trial.arm == "muon" else None
    ),
}


def sentence(case: str) -> str:
    stored = CASES[case].stored()
    return answer_sentence(stored, answer(stored.study, stored.record))


def numbers(node: Any) -> Iterator[float]:
    if isinstance(node, dict):
        for item in node.values():
            yield from numbers(item)
    elif isinstance(node, list):
        for item in node:
            yield from numbers(item)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield node


@pytest.mark.parametrize("case", CASES)
def test_every_number_is_that_of_the_recommendation(case: str) -> None:
    stored = CASES[case].stored()
    content = recommendation(stored, answer(stored.study, stored.record))
    known = list(numbers(content))
    known += [len(content["arms"]) - 1, sum(sum(a["failures"].values()) for a in content["arms"])]
    known += [sum(a["trials"] for a in content["arms"])]
    text = re.sub(r"`[^`]*`", "", sentence(case))
    text = re.sub(r"\d+ more (sub-searches|seeds?)", "", text)
    for found, unit in re.findall(r"(?<![\w.])(-?\d+(?:\.\d+)?(?:e-?\d+)?)( M\b)?", text):
        scale = 1e6 if unit else 1.0
        places = len(found.partition(".")[2].partition("e")[0])
        exponent = int(found.partition("e")[2] or 0)
        slack = 0.5001 * 10.0 ** (exponent - places) * scale
        value = float(found) * scale
        assert any(abs(value - other) <= max(slack, 1e-12) for other in known), (found, text)


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_says_what_the_verdict_says(case: str) -> None:
    stored = CASES[case].stored()
    found = answer(stored.study, stored.record)
    content = recommendation(stored, found)
    text = sentence(case)
    assert text.startswith("Unfinished") == (content["state"] == "unfinished")
    verdict = content["verdict"]
    assert ("beats" in text) == (verdict == "winner")
    assert ("tie:" in text.lower()) == (verdict == "tie")
    assert ("not enough evidence" in text.lower()) == (verdict == "insufficient_evidence")
    assert ("no answer" in text.lower()) == (content["recommended"] is None)
    if content["recommended"]:
        assert content["recommended"]["arm"] in text
    assert "\n" not in text
    assert text.endswith(".")


def test_a_winner_in_one_sentence() -> None:
    assert re.fullmatch(
        r"Train with muon \(learning rate 0\.01\d+\): its validation/loss of 2\.3\d+ \(2\.3\d+ to"
        r" 2\.3\d+\) beats adamw's by 0\.0\d+ \(0\.0\d+ to 0\.0\d+\), found for pico \(0\.12 M"
        r" parameters\) at 0\.33 M tokens\.",
        sentence("winner"),
    )


def test_the_closest_of_several_rivals_is_named() -> None:
    assert "beats both others, the closest (adamw's) by" in sentence("winner of three")


def test_a_tie_recommends_the_cheapest() -> None:
    assert "Train with lion" in sentence("tie")
    assert "the cheapest of them (9.2 s a run)" in sentence("tie")


def test_what_would_settle_it_is_a_command() -> None:
    match = re.search(
        r"(\d+) more sub-searches .*`selector run optimizers budget.replicates=(\d+)`",
        sentence("unclear"),
    )
    assert match
    assert int(match[2]) == int(match[1]) + 4
    assert "`selector run optimizers budget.verdict_seeds=4` measures it" in sentence("smoke")
    assert "budget.verdict_seeds=" in sentence("seeds")


def test_at_an_edge_more_of_the_same_is_not_the_advice() -> None:
    text = sentence("edge")
    assert "replicates" not in text
    assert "To extend its range: `selector run optimizers budget.extensions=1`" in text


def test_what_was_not_measured_is_not_claimed() -> None:
    assert "Nothing was compared" in sentence("one arm")
    assert "to 0" not in sentence("smoke").partition("Each arm")[0]
    assert "tokens" not in sentence("function")
    assert "search's best value is optimistic" in sentence("half")
    assert "(0 of 40 runs are over" in sentence("nothing")
    assert "none of the 64 trials that are over completed (64 diverged)" in sentence("all diverged")
    assert "none of the 16 verdict runs that are over completed" in sentence("no verdict run")
    assert "muon has no verdict run that completed" in sentence("one arm dead")


def test_settings_in_words() -> None:
    assert settings({"optimizer.lr": 0.0031234, "optimizer.betas": (0.9, 0.95)}) == (
        "learning rate 0.00312, betas [0.9, 0.95]"
    )
    assert settings({"optimizer.floor": 1, "schedule.floor": 2}) == (
        "optimizer.floor 1, schedule.floor 2"
    )
    assert settings({}) == ""


def test_the_answer_is_plain_text_that_json_can_hold() -> None:
    for case in CASES:
        assert json.loads(json.dumps(sentence(case))) == sentence(case)
