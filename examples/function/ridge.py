"""Your own training code as an objective: a ridge regression by stochastic gradient descent.

Nothing here knows of `selector`: it calls `train(config, run)` once for every run, with

- `config.objective.parameters`: your settings, with the values of this trial;
- `run.seed`: derive all randomness from it; a rerun has the same one, fresh runs have others;
- `run.report(step, **metrics)`: as often as you like; the last value of the study's metric counts;
- `run.should_stop()`: True when somebody asked this run to end; return, and it is kept as stopped;
- `run.folder`: a pathlib.Path of its own, for whatever you want to keep;
- `run.tokens`: the study's `budget.tokens`, for code that can be made longer or shorter.

An exception makes the run a crash, a metric that is not finite makes it diverged.
Try it, from the folder that holds `examples/`: selector run examples/function/study.yaml
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FEATURES, TRAINING, VALIDATION, BATCH = 32, 512, 2048, 32
REPORTS = 10


def train(config: Any, run: Any) -> None:
    """Fit a linear map to data whose features differ 100-fold in variance; report the loss."""
    settings = config.objective.parameters
    generator = np.random.default_rng(run.seed)
    scale = np.geomspace(1, 0.01, FEATURES) ** 0.5
    truth = generator.normal(size=FEATURES)
    inputs = generator.normal(size=(TRAINING + VALIDATION, FEATURES)) * scale
    targets = inputs @ truth + 0.1 * generator.normal(size=len(inputs))

    weights = velocity = np.zeros(FEATURES)
    for step in range(1, settings["steps"] + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # too large a step: told below
            rows = generator.integers(TRAINING, size=BATCH)
            errors = inputs[rows] @ weights - targets[rows]
            gradient = inputs[rows].T @ errors / BATCH + settings["penalty"] * weights
            velocity = settings["momentum"] * velocity + gradient
            weights = weights - settings["lr"] * velocity
            if step % max(1, settings["steps"] // REPORTS) and step < settings["steps"]:
                continue
            residuals = inputs[TRAINING:] @ weights - targets[TRAINING:]
            loss = float(np.mean(residuals**2))
        diverged = not loss < 1e6  # predicting 0 has a loss of below 10
        run.report(step, loss=math.nan if diverged else loss)
        if diverged or run.should_stop():
            return
