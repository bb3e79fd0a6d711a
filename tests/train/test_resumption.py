"""A run that is cut off goes on from its newest good state, and is the run it would have been."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selector.config.schema import Data, RunConfig
from selector.track.checkpoints import forget_checkpoints, whole_checkpoints
from selector.track.run import Outcome, Run
from selector.track.trunk import MANIFEST
from selector.train import checkpoint
from selector.train.loop import train

TOKENS, STEP = 60 * 64, 64
#: What a clock has a part in.
TIMED = {"tokens_per_second", "model_flop_utilization"}
PLATEAU = {
    "name": "reduce_on_plateau", "warmup": 0.1, "gamma": 0.5, "patience": 0,
    "threshold": 0.05, "floor": 0.01,
}  # fmt: skip


@dataclass
class Cut:
    """A reporter that wants the run to stop after so many reports, and leaves no trace of it."""

    after: int
    reports: int = 0

    def report(self, key: str, step: int, metrics: Any) -> None:
        self.reports += 1

    def end(self, key: str, ended: Any) -> None:
        self.ended = ended

    def should_stop(self, key: str) -> bool:
        return self.reports >= self.after


class Attempts:
    """One run, trained at once and in pieces."""

    def __init__(self, folder: Path, config: RunConfig, data: Path, recorder: Callable[..., Any]):
        self.recorder = recorder
        common: dict[str, Any] = {"config": config, "seed": 5, "tokens": TOKENS}
        self.run = Run(
            key="run", stage="verdict", folder=folder / "cut", data_folder=data,
            checkpoint_seconds=1e-9, **common,
        )  # fmt: skip
        self.whole = replace(self.run, folder=folder / "whole", checkpoint_seconds=0.0)

    def cut(self, after: int) -> None:
        stopper = Cut(after)
        train([self.run], stopper, "cpu")
        assert stopper.ended.outcome is Outcome.STOPPED

    def finish(self, run: Run) -> tuple[list[Any], dict[str, torch.Tensor], Any]:
        kept = self.recorder()
        train([run], kept, "cpu")
        ((_, ended),) = kept.ended
        assert ended.outcome is Outcome.COMPLETE
        rows = [
            (step, {name: value for name, value in metrics.items() if name not in TIMED})
            for _, step, metrics in kept.reports
        ]
        assert run.folder is not None
        return rows, checkpoint.load(run.folder)[0], ended

    def assert_same(self) -> Any:
        """Train the rest and the whole; the end of the one in pieces."""
        rows, weights, ended = self.finish(self.run)
        expected, target, _ = self.finish(self.whole)
        assert rows == expected
        assert weights.keys() == target.keys()
        assert all(torch.equal(weights[name], target[name]) for name in target)
        return ended


@pytest.fixture
def attempts(
    tmp_path: Path,
    prepared: tuple[Data, Path],
    recorder: Callable[..., Any],
    configure: Callable[..., RunConfig],
) -> Callable[..., Attempts]:
    def build(*arguments: Any, **parts: Any) -> Attempts:
        parts = {"objective": {"evaluations": 12}, **parts}
        return Attempts(tmp_path, configure(*arguments, **parts), prepared[1], recorder)

    return build


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"optimizer": "adamw", "regularization": {"dropout": 0.2}}, id="adamw"),
        pytest.param(
            {"optimizer": "muon", "regularization": {"ema": 0.1}},
            id="muon-ema",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"optimizer": "adafactor", "regularization": {"swa": 0.5}},
            id="swa",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"optimizer": "sgd", "schedule": PLATEAU}, id="plateau", marks=pytest.mark.slow
        ),
        pytest.param(
            {"optimizer": "adamw", "values": {"lr": 0.3}, "regularization": {"patience": 2}},
            id="patience",
        ),
        pytest.param(
            {"optimizer": "sgd", "regularization": {"sam": 0.05}}, id="sam", marks=pytest.mark.slow
        ),
        pytest.param(
            {"optimizer": "schedule_free_adamw"}, id="schedule-free", marks=pytest.mark.slow
        ),
        pytest.param({"optimizer": "soap"}, id="library", marks=pytest.mark.slow),
    ],
)
def test_a_run_in_pieces_is_the_run_in_one(
    attempts: Callable[..., Attempts], parts: dict[str, Any]
) -> None:
    made = attempts(**parts)
    made.cut(after=3)
    made.cut(after=9)
    ended = made.assert_same()
    assert ended.facts["resumed_after_step"] > 0


def test_the_newest_two_stay_until_they_are_forgotten(attempts: Callable[..., Attempts]) -> None:
    made = attempts()
    made.cut(after=8)
    folder = made.run.folder
    assert folder is not None
    assert len(whole_checkpoints(folder)) == 2
    forget_checkpoints(folder)
    assert not list((folder / "checkpoint").iterdir())


def _truncate(path: Path) -> None:
    state = path / checkpoint.STATE
    state.write_bytes(state.read_bytes()[:-100])


def _flip(path: Path) -> None:
    state = path / checkpoint.STATE
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)


def _flip_the_manifest(path: Path) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["rows"][0][1]["train/loss"] += 1e-6
    (path / MANIFEST).write_text(json.dumps(manifest))


def _empty(path: Path) -> None:
    (path / checkpoint.STATE).write_bytes(b"")


def _no_state(path: Path) -> None:
    (path / checkpoint.STATE).unlink()


def _swap(path: Path) -> None:
    """The states of two steps, each at the other's place."""
    _, before = whole_checkpoints(path.parents[1])
    newer, older = path / checkpoint.STATE, before / checkpoint.STATE
    content = newer.read_bytes()
    newer.write_bytes(older.read_bytes())
    older.write_bytes(content)


def _nest(path: Path) -> None:
    (path / MANIFEST).write_text("[" * 200_000)


class _Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


def _pickle(path: Path) -> None:
    (path / checkpoint.STATE).write_bytes(pickle.dumps(_Evil()))


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        _flip_the_manifest,
        _pickle,
        *(
            pytest.param(damage, marks=pytest.mark.slow)
            for damage in (_truncate, _empty, _no_state, _nest)
        ),
    ],
)
def test_a_damaged_state_is_set_aside_and_the_one_before_is_used(
    attempts: Callable[..., Attempts],
    damage: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    made = attempts()
    made.cut(after=8)
    assert made.run.folder is not None
    newest, before = whole_checkpoints(made.run.folder)
    damage(newest)
    ended = made.assert_same()
    assert ended.facts["resumed_after_step"] == int(before.name.removeprefix("step-"))
    assert ended.facts["damaged_checkpoints"] == 1
    assert not (tmp_path / "executed").exists()


def test_half_of_a_state_is_none_and_without_any_the_run_begins_again(
    attempts: Callable[..., Attempts],
) -> None:
    made = attempts()
    made.cut(after=8)
    assert made.run.folder is not None
    for path in whole_checkpoints(made.run.folder):
        (path / MANIFEST).unlink()
    ended = made.assert_same()
    assert "resumed_after_step" not in ended.facts


def test_two_states_that_were_swapped_are_both_set_aside(
    attempts: Callable[..., Attempts],
) -> None:
    made = attempts()
    made.cut(after=8)
    assert made.run.folder is not None
    _swap(whole_checkpoints(made.run.folder)[0])
    ended = made.assert_same()
    assert "resumed_after_step" not in ended.facts
    assert ended.facts["damaged_checkpoints"] == 2


def test_the_state_of_another_run_is_not_used(
    attempts: Callable[..., Attempts], tmp_path: Path
) -> None:
    made = attempts()
    other = replace(made.run, seed=6, folder=tmp_path / "other")
    train([other], Cut(4), "cpu")
    assert other.folder is not None
    assert made.run.folder is not None
    shutil.copytree(other.folder / "checkpoint", made.run.folder / "checkpoint")
    ended = made.assert_same()
    assert "resumed_after_step" not in ended.facts


@pytest.mark.slow
def test_a_run_in_pieces_among_neighbours(
    attempts: Callable[..., Attempts], tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    made = attempts()
    made.cut(after=6)
    other = replace(made.run, key="other", seed=9, folder=tmp_path / "other")
    kept = recorder()
    train([other, made.run], kept, "cpu")
    assert dict(kept.ended)["run"].facts["resumed_after_step"] > 0
    expected = recorder()
    train([made.whole], expected, "cpu")
    found = dict(kept.curve("run", "train/loss"))
    assert found == pytest.approx(dict(expected.curve("run", "train/loss")), abs=1e-5)


def test_a_full_disk_costs_the_state_and_not_the_run(
    attempts: Callable[..., Attempts], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attempts()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("selector.train.resumption.save_snapshot", full)
    ended = made.assert_same()
    assert ended.facts["checkpoints_missed"] > 0
