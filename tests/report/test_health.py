from __future__ import annotations

from selector.report.compare import arm_rows
from selector.report.health import Finding, findings
from selector.report.health.remedy import widened
from selector.space.dimension import Choices, Interval
from selector.study.answer import answer
from selector.track.run import Outcome
from tests.report.build import ADAMW, MUON, Builder, Surface, finished, study


def found(built: Builder, check: str) -> list[Finding]:
    stored = built.stored()
    known = answer(stored.study, stored.record)
    return [
        item for item in findings(stored, known, arm_rows(stored, known)) if item.check == check
    ]


def test_a_sound_study_has_no_findings() -> None:
    stored = finished(ADAMW, MUON).stored()
    known = answer(stored.study, stored.record)
    assert findings(stored, known, arm_rows(stored, known)) == []


def test_the_best_at_an_edge_asks_for_a_wider_range() -> None:
    low = Surface(name="lion", rate=1e-5)
    (finding,) = found(finished(ADAMW, low, noise=0.001), "best at an edge")
    assert finding.arm == "lion"
    assert "low end of the range of optimizer.lr (0.0003 to 0.03)" in finding.text
    assert finding.remedy == (
        "selector run optimizers 'optimizer.lr=tag(log,interval(3e-05,0.03))' name=optimizers_wider"
    )


def test_a_range_that_would_not_fit_the_other_arms_leaves_them_out() -> None:
    high = Surface(name="muon", rate=0.5, low=2e-3, high=6e-2, cliff=1.0)
    (finding,) = found(finished(ADAMW, high, noise=0.001, trials=40), "best at an edge")
    assert finding.remedy.startswith("selector run optimizers optimizer=muon 'optimizer.lr=")


def test_ranges_are_widened_inside_their_limits() -> None:
    rate = Interval(low=1e-3, high=1e-1, log=True)
    assert widened("optimizer.lr", rate, "high") == "tag(log,interval(0.001,1))"
    assert widened("optimizer.lr", rate, "low") == "tag(log,interval(0.0001,0.1))"
    share = Interval(low=0.0, high=0.2)
    assert widened("regularization.dropout", share, "high") == "interval(0,0.3)"
    assert widened("regularization.dropout", share, "low") is None
    assert widened("optimizer.momentum", Interval(low=0.9, high=0.99), "high") is None
    width = Interval(low=2, high=6, integer=True)
    assert widened("model.depth", width, "high") == "interval(2,8)"


def test_few_trials_are_called_luck() -> None:
    both = found(finished(ADAMW, MUON, trials=2), "too few trials")
    assert [item.arm for item in both] == ["adamw", "muon"]
    assert both[0].remedy == "selector run optimizers budget.trials=6"
    assert not found(Builder(study([ADAMW]), [ADAMW]).explore(0.25), "too few trials")


def test_failures_name_their_own_remedy() -> None:
    cliff = Surface(name="adamw", cliff=3e-3)
    (diverged,) = found(finished(cliff), "many failures")
    assert "diverged" in diverged.text
    assert "'optimizer.lr=tag(log,interval(0.0003,0.00" in diverged.remedy
    memory = finished(
        ADAMW, outcome=lambda trial, stage: Outcome.OUT_OF_MEMORY if trial.index < 3 else None
    )
    (finding,) = found(memory, "many failures")
    assert "batch.micro_batch=4 batch.accumulation=2" in finding.remedy
    crash = finished(
        ADAMW, outcome=lambda trial, stage: Outcome.CRASHED if trial.index < 3 else None
    )
    assert found(crash, "many failures")[0].remedy == ""


def test_runs_that_are_still_falling_ask_for_more_tokens() -> None:
    built = finished(ADAMW)
    assert not found(built, "still improving at the end")
    number = answer(built.study, built.record).finalists
    for finalist in number:
        for place in range(2):
            key = built.record.run_key(
                finalist.trial,
                "verdict",
                built.study.seed_of("verdict", finalist.sub_search, place),
            )
            built.store.write(f"{key}/metrics.jsonl", "")
            for step in range(10, 330, 10):
                built.record.report(key, step, {"validation/loss": 3.5 - step / 300})
    (finding,) = found(built, "still improving at the end")
    assert "the last quarter of its runs still brought 0.267" in finding.text
    assert finding.remedy == "selector run optimizers budget.tokens=655360 name=optimizers_longer"


def test_unequal_budgets_are_said() -> None:
    steps = {"optimizer.lr": Choices(values=(0.001, 0.003, 0.01))}
    from selector.config.schema import Technique

    built = finished(
        Surface(dimensions=steps),
        Surface(name="muon", dimensions={"optimizer.lr": Choices(values=(0.01, 0.02))}),
        sampler=Technique(name="grid"),
    )
    (finding,) = found(built, "unequal budgets")
    assert finding.arm == "muon"
    assert "2 trials are over, and 3 of adamw" in finding.text


def test_a_rate_that_was_not_tuned_is_said() -> None:
    built = finished(ADAMW, Surface(name="muon", tuned=False))
    (finding,) = found(built, "learning rate not tuned")
    assert finding.arm == "muon"
    assert "optimizer=muon 'optimizer.lr=tag(log,interval(0.0003,0.03))'" in finding.remedy
    assert not found(
        finished(Surface(tuned=False), objective="function"), "learning rate not tuned"
    )
