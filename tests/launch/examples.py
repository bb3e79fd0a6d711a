"""Runs for the tests of this folder, written by hand."""

from __future__ import annotations

from pathlib import Path

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.regularization import Regularization
from selector.config.schema import Data, RunConfig
from selector.config.technique import Technique, Value
from selector.track.run import Run


def function_config(function: str, **parameters: Value) -> RunConfig:
    """A configuration that calls `function`: a name in functions.py, or module:function."""
    path = function if ":" in function else f"tests.launch.functions:{function}"
    return RunConfig(
        model=Model(name="pico", depth=1, width=8, heads=2),
        optimizer=Technique(name="sgd", values={"lr": 0.1, "betas": (0.9, 0.0)}),
        schedule=Technique(name="constant", values={"warmup": 0.0}),
        objective=Objective(
            name="mine",
            kind="function",
            metric="loss",
            function=path,
            parameters=parameters,
        ),
        data=Data(name="stdlib", source="stdlib"),
        batch=Batch(micro_batch=2, context=16),
        regularization=Regularization(),
        compute=Compute(),
    )


def function_run(key: str, function: str, folder: Path | None = None, **parameters: Value) -> Run:
    """A run of a function."""
    config = function_config(function, **parameters)
    return Run(key=key, config=config, stage="explore", seed=7, tokens=1000, folder=folder)
