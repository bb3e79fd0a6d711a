"""Runs, origins and results for the tests of this folder, written by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.regularization import Regularization
from selector.config.schema import Data, RunConfig
from selector.config.technique import Technique
from selector.track.labels import name
from selector.track.run import Outcome, Result, Run, Trial
from selector.track.tracker import Origin, Tracker


def config(lr: float = 0.1) -> RunConfig:
    """A small configuration."""
    return RunConfig(
        model=Model(name="pico", depth=1, width=8, heads=2),
        optimizer=Technique(name="sgd", values={"lr": lr, "betas": (0.9, 0.99)}),
        schedule=Technique(name="constant", values={"warmup": 0.0}),
        objective=Objective(name="causal_lm", metric="loss"),
        data=Data(name="stdlib", source="stdlib"),
        batch=Batch(micro_batch=2, context=16),
        regularization=Regularization(),
        compute=Compute(),
    )


def run(key: str, folder: Path | None = None) -> Run:
    """An explore run with this key."""
    return Run(key=key, config=config(), stage="explore", seed=1000, tokens=2048, folder=folder)


class Told:
    """A tracker that is told of a study, after its runs' files are written, as by the study loop.

    Args:
        tracker: it.
        runs: the runs folder; the study's folder is made there.
        study: any name.
    """

    def __init__(self, tracker: Tracker, runs: Path, study: str) -> None:
        self.tracker = tracker
        self.study = study
        self.folder = runs / name(study, 64, "_.-")
        self.folder.mkdir(parents=True, exist_ok=True)

    def started(self, key: str, arm: str = "sgd", tags: Mapping[str, str] | None = None) -> None:
        folder = self._folder(key)
        folder.mkdir(exist_ok=True)
        for file in ("metrics.jsonl", "result.json"):
            (folder / file).unlink(missing_ok=True)
        (folder / "run.yaml").write_text("format: 1\n")
        self.tracker.started(run(key, folder), origin(self.study, arm, tags))

    def reported(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        finite = {each: value for each, value in metrics.items() if math.isfinite(value)}
        with (self._folder(key) / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **finite}) + "\n")
        self.tracker.reported(key, step, metrics)

    def ended(self, key: str, how: Result | None = None) -> None:
        (self._folder(key) / "result.json").write_text("{}")
        self.tracker.ended(key, how or result())

    def whole(self, key: str, steps: range, arm: str = "sgd") -> None:
        """A run with two metrics in each of `steps`."""
        self.started(key, arm)
        for step in steps:
            self.reported(key, step, {"loss": 5.0 - step / 1000, "tokens": float(step)})
        self.ended(key, replace(result(), seconds=float(len(steps))))

    def _folder(self, key: str) -> Path:
        return self.folder / name(key, 64, "_-")


def origin(study: str, arm: str = "sgd", tags: Mapping[str, str] | None = None) -> Origin:
    """Where such a run belongs: trial 3 of an arm."""
    trial = Trial(
        number=3, arm=arm, sub_search=0, index=2, values={"optimizer.lr": 0.1}, config=config()
    )
    return Origin(study=study, arm=arm, trial=trial, tags=tags or {})


def result(
    outcome: Outcome = Outcome.COMPLETE, *, value: float | None = 2.5, error: str = ""
) -> Result:
    """The end of such a run."""
    return Result(
        outcome=outcome,
        value=value,
        metrics={"loss": 2.5},
        steps=64,
        seconds=1.25,
        error=error,
        facts={"device": "cpu", "versions": {"python": "3.11"}},
    )
