"""Whole runs: what they report, how they end, and that neighbours do not matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.metrics import METRICS, find
from selector.config.schema import Data, RunConfig
from selector.errors import DataError
from selector.space import cost
from selector.study.constraints import REPORTED
from selector.track.run import Outcome, Run
from selector.train import checkpoint
from selector.train.loop import train

JUDGED = ("loss", "bits_per_byte", "perplexity", "accuracy")
VALIDATION = {f"validation/{name}" for name in JUDGED}
EVALUATED = VALIDATION | {"gradient_norm/block/0", "gradient_norm/block/1"}
TRAINING = {
    *("train/loss", "gradient_norm", "clipped_share", "tokens_per_second", "learning_rate"),
    *("loss_spikes", "gradient_spikes"),
    *("gradient_norm/embedding", "gradient_norm/spread", "model_flop_utilization"),
}
TEST = {f"test/{name}" for name in JUDGED}
STEP = 64  # tokens of an optimizer step


@pytest.fixture
def make_run(prepared: tuple[Data, Path]) -> Any:
    def build(config: RunConfig, key: str = "a", **changes: Any) -> Run:
        given = {"stage": "explore", "seed": 1, "tokens": 60 * STEP, **changes}
        return Run(key=key, config=config, data_folder=prepared[1], **given)

    return build


def test_a_run_learns_and_reports(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    config, kept = configure(objective={"evaluations": 4}), recorder()
    train([make_run(config, tokens=150 * STEP + 63)], kept, "cpu")
    ((key, ended),) = kept.ended
    assert (key, ended.outcome, ended.steps, ended.error) == ("a", Outcome.COMPLETE, 150, "")
    assert ended.seconds > 0
    assert ended.facts["parameters"] == cost.parameters(config)
    assert (ended.facts["device"], ended.facts["width"]) == ("cpu", 1)
    assert ended.facts["flops"] == 150 * STEP * cost.flops_per_token(config)
    assert 0.01 < ended.facts["peak_memory_gib"] < 64
    curve = kept.curve("a", "validation/loss")
    assert [step for step, _ in curve] == [38, 75, 112, 150]
    assert curve[-1][1] < 3.0 < math.log(256)
    assert curve[-1][1] < curve[0][1]
    assert len(kept.curve("a", "train/loss")) == 52
    for _, step, metrics in kept.reports:
        assert metrics.keys() == TRAINING | (EVALUATED if step in dict(curve) else set())
        assert all(math.isfinite(value) for value in metrics.values())
    assert kept.curve("a", "learning_rate")[-1][1] == pytest.approx(3e-3 / 135)
    numbers = {name for name, value in ended.facts.items() if isinstance(value, int | float)}
    named = {metric.name for name in numbers | TRAINING | EVALUATED if (metric := find(name))}
    launched = {metric.name for metric in METRICS if "launch" in metric.defined}
    assert named | launched | {"seconds", "steps"} == set(REPORTED), "what constraints may name"
    assert all(find(name) for name in numbers | TRAINING | EVALUATED | TEST)
    work = ended.facts["flops"] / ended.seconds / ended.facts["peak_flops_per_second"]
    share = [value for _, value in kept.curve("a", "model_flop_utilization")]
    assert 0.1 * work < sorted(share)[len(share) // 2] < 2  # evaluation left out, a noisy clock


@pytest.mark.parametrize("stage", ["explore", "verdict", "rerun", "single"])
def test_only_judged_runs_read_the_test_part_and_keep_weights(
    configure: Callable[..., RunConfig],
    make_run: Any,
    recorder: Callable[..., Any],
    tmp_path: Path,
    stage: str,
) -> None:
    kept, config = recorder(), configure()
    train([make_run(config, stage=stage, folder=tmp_path)], kept, "cpu")
    judged = stage != "explore"
    assert (tmp_path / "checkpoint" / "manifest.json").exists() == judged
    tested = [metrics.keys() & TEST for _, _, metrics in kept.reports]
    assert not any(tested[:-1])
    assert tested[-1] == (TEST if judged else set())
    if judged:
        weights, step = checkpoint.load(tmp_path)
        assert step == 60
        assert sum(weight.numel() for weight in weights.values()) == cost.parameters(config)


def test_runs_side_by_side_equal_runs_alone(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    runs = [
        make_run(configure(values={"lr": rate}), key, seed=seed, tokens=steps * STEP)
        for key, rate, seed, steps in [("a", 3e-3, 1, 60), ("b", 1e-2, 2, 20), ("c", 1e-3, 3, 40)]
    ]
    together = recorder()
    train(runs, together, "cpu")
    assert {key: ended.outcome for key, ended in together.ended} == dict.fromkeys(
        "abc", Outcome.COMPLETE
    )
    assert [ended.facts["width"] for _, ended in together.ended] == [4, 4, 4]
    for run in runs:
        alone = recorder()
        train([run], alone, "cpu")
        for metric in ("validation/loss", "train/loss", "learning_rate", "gradient_norm"):
            ours, theirs = together.curve(run.key, metric), alone.curve(run.key, metric)
            assert [step for step, _ in ours] == [step for step, _ in theirs]
            assert [value for _, value in ours] == pytest.approx(
                [value for _, value in theirs], rel=2e-3
            )


def test_a_run_again_gives_the_same_bits(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    curves = []
    for _ in range(2):
        kept = recorder()
        train([make_run(configure(regularization={"dropout": 0.1}))], kept, "cpu")
        curves.append([kept.curve("a", name) for name in ("train/loss", "validation/loss")])
    assert curves[0] == curves[1]


def test_a_diverging_run_ends_alone(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    wild = configure(values={"lr": 1e30}, regularization={"grad_clip": 0})
    kept = recorder()
    train([make_run(wild, "wild"), make_run(configure(), "calm")], kept, "cpu")
    ended = dict(kept.ended)
    assert ended["calm"].outcome is Outcome.COMPLETE
    assert ended["wild"].outcome is Outcome.DIVERGED
    assert 1 <= ended["wild"].steps < 10
    assert f"at step {ended['wild'].steps} of 60; the last finite" in ended["wild"].error
    assert all(math.isfinite(value) for _, _, found in kept.reports for value in found.values())


def test_a_run_stops_when_asked(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    kept = recorder(stopping=frozenset("a"))
    train([make_run(configure(), "a"), make_run(configure(), "b", seed=2)], kept, "cpu")
    ended = dict(kept.ended)
    assert ended["a"].outcome is Outcome.STOPPED
    assert ended["a"].steps < 60
    assert ended["b"].outcome is Outcome.COMPLETE


@pytest.mark.parametrize("neighbours", [0, 1])
def test_out_of_memory_is_an_end_alone_and_an_exception_with_neighbours(
    configure: Callable[..., RunConfig],
    make_run: Any,
    recorder: Callable[..., Any],
    neighbours: int,
) -> None:
    # 384 TiB: more than an address space of 47 bits, so that no system can promise it
    huge = configure(model={"width": 2**21, "heads": 1})
    runs = [make_run(huge, key) for key in "ab"[: neighbours + 1]]
    kept = recorder()
    if neighbours:
        with pytest.raises(RuntimeError, match="alloc"):
            train(runs, kept, "cpu")
        assert kept.ended == []
    else:
        train(runs, kept, "cpu")
        assert [ended.outcome for _, ended in kept.ended] == [Outcome.OUT_OF_MEMORY]


def test_a_run_without_prepared_data_is_refused(
    configure: Callable[..., RunConfig], recorder: Callable[..., Any]
) -> None:
    run = Run(key="a", config=configure(), stage="single", seed=1, tokens=64)
    with pytest.raises(DataError, match="data_folder"):
        train([run], recorder(), "cpu")


def test_a_run_shorter_than_its_evaluations_reports_every_step_once(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    kept = recorder()
    train([make_run(configure(objective={"evaluations": 10}), tokens=3 * STEP)], kept, "cpu")
    assert [step for step, _ in kept.curve("a", "validation/loss")] == [1, 2, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_as_the_cpu_does(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    curves = []
    for device in ("cpu", "cuda"):
        kept = recorder()
        train([make_run(configure(regularization={"dropout": 0.1}))], kept, device)
        curves.append([value for _, value in kept.curve("a", "validation/loss")])
    assert curves[1] == pytest.approx(curves[0], rel=1e-2)


def test_rates_are_cut_when_a_run_stands_still_and_its_neighbours_go_on(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    """A run with a tiny rate makes no progress: from its third evaluation on each cuts."""

    def config(threshold: float, gamma: float) -> RunConfig:
        values = {"warmup": 0.0, "gamma": gamma, "patience": 0, "floor": 0.01}
        return configure(
            values={"lr": 1e-3},
            schedule={"name": "reduce_on_plateau", **values, "threshold": threshold},
            objective={"evaluations": 6},
        )

    runs = [
        make_run(config(0.9, 0.5), "still"),
        make_run(config(0.9, 0.1), "floored"),
        make_run(config(0.0, 0.5), "learning"),
    ]
    together = recorder()
    train(runs, together, "cpu")
    at = {
        key: [together.curve(key, "learning_rate")[place][1] for place in (-1, 20, 10, 1)]
        for key in ("still", "floored", "learning")
    }
    assert at["learning"] == pytest.approx([1e-3] * 4)
    # 60 steps, evaluated every 10: the first sets the best, and the last comes too late to count
    steps = [step for step, _ in together.curve("still", "learning_rate")]
    rates = dict(together.curve("still", "learning_rate"))
    for step in steps:
        assert rates[step] == pytest.approx(1e-3 * 0.5 ** max(0, (step - 1) // 10 - 1))
    assert together.curve("floored", "learning_rate")[-1][1] == pytest.approx(1e-5)
    for run in runs:
        alone = recorder()
        train([run], alone, "cpu")
        ours = [value for _, value in together.curve(run.key, "validation/loss")]
        theirs = [value for _, value in alone.curve(run.key, "validation/loss")]
        assert ours == pytest.approx(theirs, rel=1e-4)
    losses = {key: together.curve(key, "validation/loss")[-1][1] for key in at}
    assert losses["learning"] < losses["still"] < losses["floored"]


def test_a_growing_run_spends_its_tokens_and_says_so(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    growing = {"micro_batch": 2, "accumulation": 2, "batch_warmup": 0.5, "context_warmup": 0.5}
    config, tokens = configure(batch=growing, regularization={"dropout": 0.1}), 30 * STEP
    alone, together = recorder(), recorder()
    train([make_run(config, tokens=tokens)], alone, "cpu")
    train([make_run(config, tokens=tokens), make_run(config, "b", seed=2, tokens=tokens)],
          together, "cpu")  # fmt: skip
    ended = dict(alone.ended)["a"]
    assert ended.outcome is Outcome.COMPLETE
    # contexts 8 and passes 1 for half of the 1,920 tokens in steps of 16, then in steps of 64
    assert ended.steps == config.steps(tokens) == 60 + 15
    assert ended.facts["flops"] == tokens * cost.flops_per_token(config)
    assert cost.flops_per_token(config) < cost.flops_per_token(configure())
    ours, theirs = alone.curve("a", "validation/loss"), together.curve("a", "validation/loss")
    assert [value for _, value in ours] == pytest.approx([value for _, value in theirs], rel=1e-4)
    assert ours[-1][1] < 4.5


def test_growing_runs_of_unlike_lengths_do_not_share_a_bank(
    configure: Callable[..., RunConfig], make_run: Any, recorder: Callable[..., Any]
) -> None:
    config = configure(batch={"context_warmup": 0.5})
    with pytest.raises(ValueError, match="expected one fuse key"):
        train([make_run(config), make_run(config, "b", tokens=90 * STEP)], recorder(), "cpu")
