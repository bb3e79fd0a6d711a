"""How the study came to its answer, in sentences and numbers that agree."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from selector.report.method import method_facts, method_sentences, rung_agreement
from selector.study.answer import answer
from selector.study.loop import run_study
from selector.study.searches import Searches
from selector.study.stored import StoredStudy
from selector.track.record import Record
from selector.track.store import MemoryStore
from selector.track.tracker import NullTracker
from tests.study.replayed import launcher, small_study
from tests.study.test_method import far_outside, noisy


def conducted(asked, tmp_path, **place):
    record = Record(MemoryStore())
    run_study(asked, record, launcher(**place), NullTracker())
    return StoredStudy(study=asked, record=record, folder=tmp_path)


def test_looks_extensions_and_screening_are_told(tmp_path):
    asked = small_study(trials=6, screen=2, most_replicates=4, extensions=1)
    stored = conducted(asked, tmp_path, value=far_outside)
    found = answer(stored.study, stored.record)
    facts, text = method_facts(stored, found), "\n".join(method_sentences(stored, found))
    assert len(facts["looks"]) >= 1
    assert facts["looks"][0]["units"] == 2
    assert "Look 1 at the evidence, with 2 sub-searches per arm at level 0.02" in text
    assert {item["arm"] for item in facts["extensions"]} == {"adamw", "muon"}
    assert "adamw: its best settings lay at the high end of the range of optimizer.lr" in text
    assert "The best 2 trials of each sub-search were trained on a second seed" in text
    json.dumps(facts, allow_nan=False)


def test_what_was_not_used_is_not_mentioned(tmp_path):
    stored = conducted(small_study(), tmp_path)
    assert method_sentences(stored, answer(stored.study, stored.record)) == []


@pytest.mark.parametrize(("turned", "correlation"), [(1.0, 1.0), (-1.0, -1.0)])
def test_the_agreement_of_rungs_is_that_of_ranks(tmp_path, turned, correlation):
    def value(run):
        return turned * noisy(run) if run.stage == "rung1" else noisy(run)

    asked = replace(small_study(trials=9), rungs=True)
    stored = conducted(asked, tmp_path, value=value)
    agreement = rung_agreement(Searches(asked, stored.record))
    assert agreement.pairs == 12
    assert agreement.correlation == pytest.approx(correlation)
    text = "\n".join(method_sentences(stored, answer(asked, stored.record)))
    assert f"correlate by {correlation:.2f}" in text
    assert "for a third of the length" in text


def test_a_limit_is_told_while_the_study_is_unfinished(tmp_path):
    stored = conducted(small_study(device_hours=1e-12), tmp_path)
    text = method_sentences(stored, answer(stored.study, stored.record))
    assert text == [
        "It stopped at its limit budget.device_hours=1e-12; with a larger one it goes on."
    ]
