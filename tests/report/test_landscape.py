from __future__ import annotations

import pytest

from selector.report.landscape import landscape
from selector.report.results import results
from selector.space.dimension import Choices, Interval
from selector.study.answer import answer
from tests.report.build import ADAMW, MUON, SGD, Builder, Surface, finished, study


def test_every_trial_is_a_point_and_the_best_are_marked() -> None:
    stored = finished(ADAMW, SGD).stored()
    known = answer(stored.study, stored.record)
    assert known.recommended is not None
    first, second = landscape(stored.study, known, results(stored))
    assert (first.arm, first.key, first.log, first.ends) == (
        "adamw", "optimizer.lr", True, (3e-4, 3e-2),
    )  # fmt: skip
    trials = {point.trial: point for panel in (first, second) for point in panel.points}
    assert set(trials) == set(stored.record.trials)
    assert {t for t, p in trials.items() if p.finalist} == {f.trial.number for f in known.finalists}
    assert [t for t, p in trials.items() if p.recommended] == [known.recommended.number]
    failed = [point for point in second.points if point.value is None]
    assert failed
    assert {point.outcome for point in failed} == {"diverged"}
    assert all(
        point.x == stored.record.trials[t].values["optimizer.lr"] for t, point in trials.items()
    )


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_view_begins_at_the_best(direction: str) -> None:
    stored = finished(ADAMW, direction=direction).stored()
    (panel,) = landscape(stored.study, answer(stored.study, stored.record), results(stored))
    values = [point.value for point in panel.points if point.value is not None]
    best = min(values) if direction == "minimize" else max(values)
    assert panel.view[0] == best
    assert (panel.view[1] > best) == (direction == "minimize")


def test_choices_are_words_and_a_panel_a_key() -> None:
    surface = Surface(
        dimensions={
            "optimizer.lr": Interval(low=1e-3, high=1e-2, log=True),
            "batch.micro_batch": Choices(values=(4, 8, 16)),
        }
    )
    stored = finished(surface).stored()
    _, panel = landscape(stored.study, answer(stored.study, stored.record), results(stored))
    assert panel.ends is None
    assert {point.x for point in panel.points} == {"4", "8", "16"}


def test_many_trials_are_thinned_but_never_the_best() -> None:
    stored = finished(ADAMW, trials=150).stored()
    known = answer(stored.study, stored.record)
    (panel,) = landscape(stored.study, known, results(stored))
    assert 300 <= len(panel.points) <= 400
    assert panel.left_out == 600 - len(panel.points)
    kept = {point.trial for point in panel.points}
    values = results(stored).query("stage == 'explore'").set_index("trial")["value"]
    assert set(values.nsmallest(150).index) <= kept


def test_nothing_tuned_and_nothing_completed_make_no_panel() -> None:
    for built in (
        finished(Surface(tuned=False), Surface(name="muon", tuned=False)),
        Builder(study([ADAMW, MUON]), [ADAMW, MUON]),
    ):
        stored = built.stored()
        assert landscape(stored.study, answer(stored.study, stored.record), results(stored)) == ()
