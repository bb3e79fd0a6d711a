"""Equal chances and comparable values, planted and not."""

from __future__ import annotations

from dataclasses import replace

from selector.config.technique import Technique
from selector.space.dimension import Choices
from selector.space.interval import Interval
from selector.track.run import Result, Trial
from tests.report.build import ADAMW, MUON, Builder, Surface, finished, study
from tests.report.health.planted import all_found, found

WHAT = "values that cannot be compared"


def test_unequal_budgets_are_said() -> None:
    steps = {"optimizer.lr": Choices(values=(0.001, 0.003, 0.01))}
    built = finished(
        Surface(dimensions=steps),
        Surface(name="muon", dimensions={"optimizer.lr": Choices(values=(0.01, 0.02))}),
        sampler=Technique(name="grid"),
    )
    (finding,) = found(built, "unequal budgets")
    assert finding.arm == "muon"
    assert "2 trials are over, and 3 of adamw" in finding.text


def test_a_rate_searched_over_one_decade_against_three_is_said() -> None:
    wide = Surface(name="muon", best=2.36, rate=1.5e-2, low=1e-4, high=1e-1, cliff=1.0)
    narrow = Surface(low=1e-3, high=1e-2)
    (finding,) = found(finished(narrow, wide), "ranges of unlike width")
    assert finding.arm == "adamw"
    assert "searched over 1.0 decades, in muon over 3.0" in finding.text
    assert "optimizer=adamw 'optimizer.lr=tag(log,interval(0.0001,0.1))'" in finding.remedy
    assert not found(finished(ADAMW, MUON), "ranges of unlike width")


def test_other_keys_are_compared_within_one_optimizer_only() -> None:
    def decay(low: float, name: str) -> Surface:
        item = Interval(low=low, high=0.1, log=True)
        return Surface(name=name, dimensions={"optimizer.weight_decay": item})

    built = finished(decay(1e-2, "adamw"), decay(1e-6, "sgd"))
    assert not found(built, "ranges of unlike width")
    first, second = (decay(low, f"adamw {low:g}") for low in (1e-2, 1e-6))
    built = finished(first, second)
    arms = [replace(arm, config=built.study.arms[0].config) for arm in built.study.arms]
    built.study = replace(built.study, arms=tuple(arms))
    (finding,) = [item for item in all_found(built) if item.check == "ranges of unlike width"]
    assert finding.arm == "adamw 0.01"


def test_runs_of_other_lengths_are_said_unless_they_are_meant() -> None:
    surfaces = [ADAMW, MUON]

    def built(**changes: object) -> Builder:
        made = Builder(study(surfaces, **changes), surfaces).explore()
        for item in list(made.record.runs()):
            if item.trial and item.trial.arm == "muon":
                shorter = replace(item.run, tokens=item.run.tokens // 2)
                made.record._runs[item.run.key] = replace(item, run=shorter)
        return made

    (finding,) = found(built(), "runs of other lengths")
    assert finding.arm == "muon"
    assert finding.remedy == "selector run optimizers budget.tokens=327680 name=optimizers_as_long"
    assert not found(built(fair="flops"), "runs of other lengths")
    surfaces = [replace(ADAMW, compared={"budget.tokens": 327_680}), MUON]
    assert not found(built(), "runs of other lengths")


def smoothing(metrics: dict[str, float]) -> Builder:
    def change(result: Result, trial: Trial, stage: str) -> Result:
        return replace(result, metrics={**result.metrics, **metrics})

    surfaces = [
        Surface(name=f"label_smoothing={value}", compared={"parameters.label_smoothing": value})
        for value in (0.0, 0.1)
    ]
    return finished(*surfaces, objective="function", change=change)


def test_a_function_s_loss_under_label_smoothing_cannot_be_compared() -> None:
    both = found(smoothing({"accuracy": 0.7}), WHAT)
    assert [item.arm for item in both] == ["label_smoothing=0.0", "label_smoothing=0.1"]
    assert both[0].remedy == (
        "selector run optimizers objective.metric=accuracy objective.direction=maximize"
        " name=optimizers_by_task"
    )
    assert found(smoothing({}), WHAT)[0].remedy == ""
