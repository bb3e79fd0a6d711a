"""Runs, origins and results for the tests of this folder, written by hand."""

from __future__ import annotations

from collections.abc import Mapping

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.regularization import Regularization
from selector.config.schema import Data, RunConfig
from selector.config.technique import Technique
from selector.track.run import Outcome, Result, Run, Trial
from selector.track.tracker import Origin


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


def run(key: str) -> Run:
    """An explore run with this key."""
    return Run(key=key, config=config(), stage="explore", seed=1000, tokens=2048)


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
