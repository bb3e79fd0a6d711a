"""Unbalanced classes, planted and not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.track.run import Result, Trial
from tests.report.build import ADAMW, Builder, finished
from tests.report.health.planted import found


def classes(shares: dict[str, float], **parameters: str) -> Builder:
    def change(result: Result, trial: Trial, stage: str) -> Result:
        own = {f"class_share/{name}": share for name, share in shares.items()}
        return replace(result, metrics={**result.metrics, **own})

    built = finished(ADAMW, objective="function", change=change)
    (arm,) = built.study.arms
    objective = replace(arm.config.objective, parameters=parameters)
    arm = replace(arm, config=replace(arm.config, objective=objective))
    built.study = replace(built.study, arms=(arm,))
    return built


def test_a_rare_class_asks_for_weights() -> None:
    shares = {"yes": 0.02, "no": 0.9, "maybe": 0.08}
    (finding,) = found(classes(shares, class_weight="none"), "unbalanced classes")
    assert "2.0 % of the examples are of class yes and 90.0 % of no" in finding.text
    assert finding.remedy == (
        "selector run optimizers objective.parameters.class_weight=balanced"
        " name=optimizers_balanced"
    )
    (without,) = found(classes(shares), "unbalanced classes")
    assert without.remedy == ""


@pytest.mark.parametrize(
    "built",
    [
        classes({"yes": 0.4, "no": 0.6}),
        classes({"yes": 0.02, "no": 0.98}, class_weight="balanced"),
        classes({}),
    ],
    ids=["balanced", "weighted", "not reported"],
)
def test_balanced_and_weighted_classes_are_fine(built: Builder) -> None:
    assert not found(built, "unbalanced classes")
