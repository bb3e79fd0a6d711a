"""A study that would compare what cannot be compared is refused, with the metric to use instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from selector.config.decode import Mistakes
from selector.config.locations import study_file
from selector.config.metrics import find
from selector.config.schema import RunConfig
from selector.config.study import ComposedStudy, compose_study
from selector.errors import ConfigError
from selector.study.arms import resolve
from selector.study.comparable import check_metrics, incomparable

SMOOTHING = "regularization.label_smoothing"


@pytest.fixture(scope="module")
def composed() -> ComposedStudy:
    return compose_study(study_file("quickstart"), ["optimizer=adamw"])


def with_value(config: RunConfig, key: str, value: Any) -> RunConfig:
    part, leaf = key.split(".")
    return replace(config, **{part: replace(getattr(config, part), **{leaf: value})})


def said(
    composed: ComposedStudy,
    metric: str = "validation/loss",
    compare: dict[str, tuple[Any, Any]] | None = None,
    tune: tuple[str, ...] = (),
    pareto: tuple[str, ...] = (),
    direction: str = "",
) -> list[str]:
    """What is said of two arms that differ in the values of `compare`, judged by `metric`."""
    (arm,) = composed.arms
    known = find(metric)
    config = with_value(arm.config, "objective.metric", metric)
    goes = direction or (known.direction if known else "minimize")
    configs = [with_value(config, "objective.direction", goes)] * 2
    for key, values in (compare or {}).items():
        configs = [with_value(*item) for item in zip(configs, (key, key), values, strict=True)]
    mistakes = Mistakes()
    check_metrics(
        replace(
            composed,
            arms=tuple(replace(arm, config=config) for config in configs),
            question=replace(composed.question, pareto=pareto),
        ),
        [tune, tune],
        mistakes,
    )
    return mistakes.lines


def test_losses_under_label_smoothing_are_judged_by_accuracy():
    overrides = ["optimizer=adamw", f"{SMOOTHING}=0.0,0.1"]
    with pytest.raises(ConfigError) as caught:
        resolve(compose_study(study_file("quickstart"), overrides))
    (line,) = caught.value.mistakes
    assert line.startswith("objective.metric: validation/loss cannot be compared across unlike")
    assert "label smoothing (regularization.label_smoothing is 0.0 or 0.1)" in line
    assert "use objective.metric=validation/accuracy objective.direction=maximize instead" in line
    assert "or fix regularization.label_smoothing" in line
    by_accuracy = ["objective.metric=validation/accuracy", "objective.direction=maximize"]
    resolve(compose_study(study_file("quickstart"), [*overrides, *by_accuracy]))


@pytest.mark.parametrize("key", ["compute.prune", "compute.quantize"])
def test_what_is_only_measured_of_a_result_is_not_compared(composed, key):
    values = {"compute.prune": (0.0, 0.5), "compute.quantize": ("none", "int8")}[key]
    (line,) = said(composed, compare={key: values})
    assert line.startswith(f"{key}: is all that sets arms apart, and no run trains")
    assert said(composed, compare={key: values, "model.qk_norm": (False, True)}) == []
    (line,) = said(composed, tune=(key,))
    assert line.startswith(f"{key}: is tuned")


def test_a_tuned_key_makes_the_trials_unlike(composed):
    (line,) = said(composed, tune=("optimizer.lr", SMOOTHING))
    assert f"{SMOOTHING} is tuned" in line
    assert said(composed, tune=("optimizer.lr",)) == []


@pytest.mark.parametrize("metric", ["loss", "perplexity", "accuracy"])
def test_unlike_tokens_are_compared_by_the_byte(composed, metric):
    compare = {"data.vocabulary": (256, 8192)}
    (line,) = said(composed, f"validation/{metric}", compare)
    assert f"{metric} cannot be compared across unlike tokens (data.vocabulary is 256 or" in line
    assert "use objective.metric=validation/bits_per_byte" in line
    assert said(composed, "validation/bits_per_byte", compare) == []


def test_the_metric_named_instead_can_itself_be_compared(composed):
    """Bits per byte are of no use under smoothing, and accuracy is of none between tokens."""
    lines = said(composed, compare={"data.vocabulary": (256, 8192), SMOOTHING: (0.0, 0.1)})
    assert len(lines) == 2
    assert all("no other metric can be, so fix" in line for line in lines)


CPU_AND_GPU = {"compute.device": ("cpu", "cuda")}
DROPOUT = {"regularization.dropout": (0.0, 0.1)}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"metric": "train/loss", "compare": DROPOUT},
            "use objective.metric=validation/loss instead, or fix regularization.dropout",
        ),
        (
            {"compare": {"data.validation_share": (0.05, 0.1)}},
            "no other metric can be, so fix data.validation_share",
        ),
        (
            {"metric": "tokens_per_second", "compare": CPU_AND_GPU},
            "as much as of the technique; no other metric can be, so fix compute.device",
        ),
        ({"pareto": ("seconds",), "compare": CPU_AND_GPU}, "use flops instead"),
        ({"pareto": ("peak_memory_gib",), "compare": CPU_AND_GPU}, "so fix compute.device"),
        ({"metric": "test/loss"}, "nothing may be chosen by the test part"),
        ({"metric": "pruned/loss"}, "only verdict runs report it"),
        ({"metric": "learning_rate"}, "neither more nor less of it is better"),
        ({"metric": "seconds"}, "it is known when a run is over"),
        ({"metric": "gradient_norm/block/1"}, "gradient_norm/block/* judges no run"),
        (
            {"metric": "validation/accuracy", "direction": "minimize"},
            "objective.direction: expected maximize for validation/accuracy, of which higher",
        ),
        ({"metric": "validation/lose"}, "validation/loss"),
    ],
)
def test_what_else_is_refused(composed, asked, expected):
    (line,) = said(composed, **asked)
    assert expected in line


@pytest.mark.parametrize(
    "asked",
    [
        {"metric": "train/loss"},
        {"compare": DROPOUT},
        {"compare": {SMOOTHING: (0.1, 0.1)}},
        {"compare": {"model.depth": (2, 4)}, "pareto": ("seconds", "peak_memory_gib")},
        {"metric": "validation/perplexity", "compare": {"batch.micro_batch": (8, 16)}},
        {"metric": "tokens_per_second"},
    ],
)
def test_what_can_be_compared_is_not_refused(composed, asked):
    assert said(composed, **asked) == []


def test_what_a_report_marks(composed):
    config = composed.arms[0].config
    unlike = with_value(with_value(config, SMOOTHING, 0.1), "model.depth", 4)
    found = incomparable([config, unlike], [(), ()])
    assert "label smoothing" in found["validation/loss"]
    assert "models" in found["gradient_norm"]
    assert not found.keys() & {"validation/accuracy", "seconds", "flops"}
    assert incomparable([config, config], [(), ()]) == {}


def test_a_plan_says_what_is_alike_and_what_is_more_work() -> None:
    def notes(*overrides: str) -> str:
        asked = ["sampler=random", *overrides]
        return "\n".join(resolve(compose_study(study_file("quickstart"), asked)).notes)

    alike = "compute.compile: runs compute the same numbers"
    assert alike in notes("optimizer=adamw", "compute.compile=true,false")
    assert alike not in notes("compute.compile=true,false")
    more = "sophia: a step of its optimizer computes the loss again or its curvature"
    assert more in notes("optimizer=sophia,adamw")
    assert "or its curvature" not in notes("optimizer=soap,adamw")
