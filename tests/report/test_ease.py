"""Where an arm wins because it is easier to tune, the report says so."""

from __future__ import annotations

import math
import random

from selector.report.ease import ease, ease_sentences
from selector.study.answer import answer
from selector.study.loop import run_study
from selector.track.record import Record
from selector.track.store import MemoryStore
from selector.track.tracker import NullTracker
from tests.study.replayed import launcher, small_study


def found(muon_best: float, muon_curvature: float, replicates: int):
    """Against an adamw with a flat bowl at 2.4."""

    def value(run):
        muon = run.config.optimizer.name == "muon"
        best, curvature = (muon_best, muon_curvature) if muon else (2.4, 0.1)
        luck = random.Random(f"{run.seed}/{muon}/{run.stage}").gauss(0, 0.002)
        return best + curvature * math.log10(run.config.optimizer["lr"] / 3e-3) ** 2 + luck

    asked, record = small_study(trials=8, replicates=replicates), Record(MemoryStore())
    run_study(asked, record, launcher(value=value), NullTracker())
    known = answer(asked, record)
    return known.verdict, ease(known, minimize=True)


def test_a_steep_bowl_that_is_as_deep_differs_in_ease_of_tuning():
    verdict, (item,) = found(muon_best=2.4, muon_curvature=2.0, replicates=20)
    assert (verdict.state, verdict.best) == ("winner", "adamw")
    assert item.differs
    assert item.low <= 0 <= item.high < item.lead
    (sentence,) = ease_sentences(verdict.best, [item])
    assert "they differ in ease of tuning" in sentence


def test_a_lower_bowl_is_confirmed():
    verdict, (item,) = found(muon_best=2.2, muon_curvature=0.1, replicates=6)
    assert (verdict.state, verdict.best) == ("winner", "muon")
    assert not item.differs
    assert abs(item.optimum_lead - 0.2) < 0.02
    (sentence,) = ease_sentences(verdict.best, [item])
    assert "ease of tuning" not in sentence
    assert "muon leads adamw by 0.2" in sentence
