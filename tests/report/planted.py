"""Finished studies whose arms change named settings, with planted effects instead of training."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from selector.config.schema import RunConfig
from selector.config.technique import Value
from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner
from selector.space.dimension import Interval
from selector.space.space import Space, assign
from selector.study.loop import run_study
from selector.study.stored import StoredStudy
from selector.study.study import Arm, Study
from selector.track.record import Record
from selector.track.run import Run
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import MemoryTracker
from tests.report.build import METRIC, TOKENS, config, study

DROPOUT, CLIP, Z = (f"regularization.{key}" for key in ("dropout", "grad_clip", "z_loss"))


def planted_study(arms: Mapping[str, Mapping[str, Value]], **changes: Any) -> Study:
    """A study of `arms`, name -> what it sets; the learning rate is tuned."""
    rate = Interval(low=1e-3, high=1e-2, log=True)
    found = tuple(
        Arm(
            name=name,
            choices={"optimizer": str(compared.get("optimizer", "adamw")), "model": "pico"},
            compared=compared,
            config=_config(compared),
            space=Space(dimensions={"optimizer.lr": rate}),
            tokens=TOKENS,
        )
        for name, compared in arms.items()
    )
    return replace(study([], trials=2, replicates=4, verdict_seeds=1, **changes), arms=found)


def run_planted(
    asked: Study,
    loss: Callable[[RunConfig], float],
    *,
    noise: float = 0.002,
    folder: Path | None = None,
    seconds: Callable[[RunConfig], float] = lambda config: 1.0,
) -> StoredStudy:
    """The study with every run played back: `loss` of its configuration, and the seed's luck."""

    def luck(run: Run) -> float:
        part, rate = run.config.regularization, run.config.optimizer["lr"]
        settings = f"{run.config.optimizer.name} {part.dropout} {part.grad_clip} {part.z_loss}"
        return random.Random(f"{run.seed} {run.stage} {settings} {rate:.6g}").gauss(0.0, 1.0)

    runner = ReplayRunner(
        rows=lambda run: [
            (
                10,
                {
                    METRIC: loss(run.config) + noise * luck(run),
                    "memory": seconds(run.config) * (1 + 0.01 * luck(run)),
                },
            )
        ]
    )
    store = MemoryStore() if folder is None else FolderStore(folder)
    record = Record(store)
    record.write_study(asked.to_mapping())
    launcher = InlineLauncher(runner_for=lambda run: runner)
    assert run_study(asked, record, launcher, MemoryTracker())
    return StoredStudy(study=asked, record=record, folder=folder or Path("runs/optimizers"))


def _config(compared: Mapping[str, Value]) -> RunConfig:
    own = {
        key: value
        for key, value in compared.items()
        if "." in key and not key.startswith("budget.")
    }
    return assign(config(str(compared.get("optimizer", "adamw"))), own)
