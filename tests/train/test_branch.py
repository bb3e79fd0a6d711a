"""A longer run that starts from a shorter one's trunk is the longer run, at a third less cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.errors import ConfigError
from selector.track.run import Ended, Outcome, Run
from selector.track.trunk import forget_trunk, has_trunk
from selector.train import checkpoint
from selector.train.loop import train

STEP = 64  # tokens of an optimizer step
SHORT, LONG = 40 * STEP, 120 * STEP
STABLE = {
    "name": "warmup_stable_decay",
    "warmup": 0.05,
    "decay": 0.2,
    "shape": "one_minus_sqrt",
    "floor": 0.0,
}
EXACT = (
    "train/loss",
    "gradient_norm",
    "clipped_share",
    "gradient_norm/spread",
    "learning_rate",
    "validation/loss",
)
TRUNK = 33
"""Steps: 80 % of 40 at the peak rate, and one more: a decay starts at it."""


class Pair:
    """The shorter run of a configuration, then the longer one, in folders of their own."""

    def __init__(
        self, folder: Path, data: Path, recorder: Callable[..., Any], config: RunConfig
    ) -> None:
        self._recorder, self.config = recorder, config
        common: dict[str, Any] = {"config": config, "seed": 3, "data_folder": data}
        self.short = Run(
            key="short", stage="rung1", tokens=SHORT, trunk_for=LONG,
            folder=folder / "short", **common,
        )  # fmt: skip
        self.long = Run(key="long", stage="verdict", tokens=LONG, folder=folder / "long", **common)
        self.branched = replace(
            self.long, key="branched", folder=folder / "branched", branch=self.short.folder
        )

    def train(self, *runs: Run) -> tuple[Any, Mapping[str, Ended]]:
        kept = self._recorder()
        train(runs, kept, "cpu")
        assert {ended.outcome for _, ended in kept.ended} == {Outcome.COMPLETE}
        return kept, dict(kept.ended)

    def weights(self, run: Run) -> torch.Tensor:
        assert run.folder is not None
        weights, _ = checkpoint.load(run.folder)
        return torch.cat([weights[name].flatten() for name in sorted(weights)])


@pytest.fixture
def pair(
    tmp_path: Path,
    prepared: tuple[Data, Path],
    recorder: Callable[..., Any],
    configure: Callable[..., RunConfig],
) -> Callable[..., Pair]:
    def build(
        schedule: Mapping[str, Any] | None = None, optimizer: str = "adamw", **switches: float
    ) -> Pair:
        config = configure(
            optimizer,
            schedule={**STABLE, **(schedule or {})},
            regularization={"dropout": 0.1, **switches},
            objective={"evaluations": 6},
        )
        return Pair(tmp_path, prepared[1], recorder, config)

    return build


@pytest.mark.parametrize(
    ("optimizer", "switches"),
    [
        ("muon", {"ema": 0.1}),
        ("adamw", {"swa": 0.3, "stochastic_depth": 0.2}),
    ],
)
def test_a_branched_run_is_the_run_bit_for_bit(
    pair: Callable[..., Pair], optimizer: str, switches: dict[str, float]
) -> None:
    both = pair(optimizer=optimizer, **switches)
    _, short = both.train(both.short)
    scratch, _ = both.train(both.long)
    branched, ended = both.train(both.branched)
    assert torch.equal(both.weights(both.branched), both.weights(both.long))
    for metric in EXACT:
        whole, rest = scratch.curve("long", metric), branched.curve("branched", metric)
        assert rest == [(step, value) for step, value in whole if step > TRUNK]
        assert 0 < len(rest) < len(whole)
    facts = ended["branched"].facts
    assert facts["steps_saved"] == TRUNK
    assert facts["branched_from"] == "../short"
    assert 0 < facts["seconds_saved"] < short["short"].seconds
    assert ended["branched"].steps == 120


def test_the_shorter_run_warms_up_as_long_as_the_longer_one(pair: Callable[..., Pair]) -> None:
    both = pair()
    kept, _ = both.train(both.short)
    rates = dict(kept.curve("short", "learning_rate"))
    assert [rates[step] / 3e-3 for step in (1, 6, 7, 33)] == pytest.approx([1 / 7, 6 / 7, 1, 1])
    assert rates[40] < 0.2 * 3e-3, "it is a complete training, with its own decay"
    plain, _ = both.train(replace(both.short, trunk_for=0))
    assert dict(plain.curve("short", "learning_rate"))[3] == 3e-3


def test_runs_in_a_bank_branch_each_from_its_own_step(pair: Callable[..., Pair]) -> None:
    both = pair()
    both.train(both.short, replace(both.short, key="b", seed=4, folder=None))
    scratch, _ = both.train(both.long)
    together, ended = both.train(both.branched, replace(both.long, key="whole", seed=9))
    assert ended["branched"].facts["width"] == 2
    for metric in ("validation/loss", "train/loss"):
        ours = together.curve("branched", metric)
        theirs = [(step, value) for step, value in scratch.curve("long", metric) if step > TRUNK]
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert [v for _, v in ours] == pytest.approx([v for _, v in theirs], rel=2e-3)
    assert len(together.curve("whole", "validation/loss")) == 6


@pytest.mark.parametrize("damage", ["forgotten", "cut"])
def test_without_a_whole_trunk_a_run_starts_from_the_beginning(
    pair: Callable[..., Pair], damage: str
) -> None:
    both = pair()
    both.train(both.short)
    assert both.short.folder is not None
    if damage == "forgotten":
        forget_trunk(both.short.folder)
    else:
        file = both.short.folder / "trunk" / "state.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
    both.train(both.long)
    _, ended = both.train(both.branched)
    assert torch.equal(both.weights(both.branched), both.weights(both.long))
    facts = ended["branched"].facts
    assert facts.keys().isdisjoint({"branched_from", "steps_saved"})
    assert ("manifest.json" if damage == "forgotten" else "sha256") in facts["not_branched"]


def test_another_run_s_trunk_is_refused(
    pair: Callable[..., Pair], configure: Callable[..., RunConfig]
) -> None:
    both = pair()
    both.train(both.short)

    def refused(match: str, **changes: Any) -> None:
        with pytest.raises(ConfigError, match=f"branch: .*short does not fit: {match}"):
            both.train(replace(both.branched, **changes))

    other = configure(schedule=STABLE, regularization={"dropout": 0.2})
    refused("it was left by a run of another configuration", config=other)
    refused("seed: expected 4, got 3", seed=4)
    refused("it was left after 33 steps, and this run has 33", tokens=33 * STEP)
    refused("schedule: its first 33 steps have other learning rates", tokens=2 * LONG)
    averaged = pair(swa=0.9)
    averaged.train(averaged.short)
    with pytest.raises(ConfigError, match="average: its first 33 steps are averaged with other"):
        averaged.train(averaged.branched)
    both.train(both.short)
    fast = replace(both.config, schedule=replace(both.config.schedule, name="linear_to_zero"))
    refused("schedule: its first 33 steps have other learning rates", config=fast)


def test_another_decay_may_start_from_the_same_trunk(pair: Callable[..., Pair]) -> None:
    both = pair()
    both.train(both.short)
    values = {**both.config.schedule.values, "decay": 0.4, "shape": "linear"}
    schedule = replace(both.config.schedule, values=values)
    config = replace(both.config, schedule=schedule)
    both.train(replace(both.long, config=config))
    _, ended = both.train(replace(both.branched, config=config))
    assert ended["branched"].facts["steps_saved"] == TRUNK
    assert torch.equal(both.weights(both.branched), both.weights(both.long))


def test_a_run_nobody_continues_keeps_no_trunk(pair: Callable[..., Pair]) -> None:
    both = pair()
    assert both.short.folder is not None
    both.train(replace(both.short, trunk_for=0))
    assert not has_trunk(both.short.folder)
    both.train(both.short)
    assert has_trunk(both.short.folder)
    assert checkpoint.load_trunk(both.short.folder).state.step == TRUNK
    forget_trunk(both.short.folder)
    assert not list(both.short.folder.iterdir())
    forget_trunk(both.short.folder)
