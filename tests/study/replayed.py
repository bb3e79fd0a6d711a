"""Studies whose runs are played back: a known loss surface instead of training."""

from __future__ import annotations

import math
from collections.abc import Callable

from selector.launch.inline import InlineLauncher
from selector.launch.replay import ReplayRunner
from selector.track.run import Outcome, Run
from tests.report.build import METRIC, Surface, study

ARMS = (Surface(name="adamw"), Surface(name="muon", best=2.3, rate=1e-2))


def small_study(**changes):
    """Two arms, two sub-searches of three trials, two verdict seeds: 20 runs."""
    return study(ARMS, **{"trials": 3, "replicates": 2, "verdict_seeds": 2, **changes})


def loss(run: Run) -> float:
    """A quadratic in the logarithm of the rate, with a little luck of the seed."""
    best = {"adamw": 3e-3, "muon": 1e-2}[run.config.optimizer.name]
    distance = math.log10(run.config.optimizer["lr"] / best)
    return 2.4 + 0.1 * distance**2 + 0.001 * ((run.seed * 2654435761) % 97) / 97


def launcher(
    outcome: Callable[[Run], Outcome] = lambda run: Outcome.COMPLETE,
    value: Callable[[Run], float] = loss,
) -> InlineLauncher:
    """Plays runs back in this process."""
    runner = ReplayRunner(
        rows=lambda run: [(5, {METRIC: 9.0}), (10, {METRIC: value(run), "other": 1.0})],
        outcome=outcome,
    )
    return InlineLauncher(runner_for=lambda run: runner)
