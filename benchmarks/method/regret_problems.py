"""Loss surfaces with known minima, for regret.py: what a search sees, and what is true.

Keys lie in the unit cube; a range is two decades wide. Losses are nats above the best possible,
curvatures .05 to .3 nats per squared decade, noise of a run .002 to .005 nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KINDS = ("quadratic", "asymmetric", "flat", "rotated")
DECADES = 2.0
#: Resource units of a whole run, as Hyperband counts them.
WHOLE = 9


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A bowl, possibly cut off by a cliff beyond which runs diverge."""

    curvature: np.ndarray
    """[dimensions, dimensions], in nats per squared decade."""
    best: np.ndarray
    """Where the minimum lies, in the unit cube."""
    steeper: float = 1.0
    """How much steeper it is above the best than below."""
    cliff: float = np.inf
    """Decades above the best of the first key from where runs diverge."""
    offset: float = 0.0
    """Its minimum: a technique's lag behind the best one."""

    def true(self, point: np.ndarray) -> float:
        """The expected final loss; infinite where runs diverge."""
        apart = (np.asarray(point) - self.best) * DECADES
        if apart[0] > self.cliff:
            return np.inf
        apart = np.where(apart > 0, np.sqrt(self.steeper), 1.0) * apart
        return self.offset + float(apart @ self.curvature @ apart)

    def after(self, step: int, point: np.ndarray) -> float:
        """The expected loss after `step` of WHOLE units: higher first keys come down later."""
        left = 1 - step / WHOLE
        return self.true(point) + left * (0.05 + 0.15 * float(point[0])) + 0.5 * left**3


def surface(kind: str, dimensions: int, generator: np.random.Generator) -> Surface:
    """One of KINDS with a random place and shape."""
    curvature = np.diag(np.exp(generator.uniform(np.log(0.05), np.log(0.3), dimensions)))
    best = generator.uniform(0.15, 0.85, dimensions)
    if kind == "asymmetric":
        cliff = float(generator.uniform(0.1, 0.5))
        return Surface(curvature=curvature, best=best, steeper=4.0, cliff=cliff)
    if kind == "flat":
        curvature = 0.2 * curvature
    if kind == "rotated":
        turn, _ = np.linalg.qr(generator.normal(size=(dimensions, dimensions)))
        curvature = turn @ np.diag(np.geomspace(0.05, 0.5, dimensions)) @ turn.T
    return Surface(curvature=curvature, best=best)


def techniques(generator: np.random.Generator, count: int = 3) -> list[Surface]:
    """Techniques to choose among, 0 to .05 nats behind; the best one's range is often narrow.

    The first key is the rate over a range common to all: one fits in a tenth of it (its curvature
    is a hundred times as large), as where a technique's good rates are few.
    """
    lags = np.concatenate([[0.0], generator.uniform(0.005, 0.05, count - 1)])
    narrow = int(generator.integers(count))
    found = []
    for place, lag in enumerate(generator.permutation(lags)):
        base: Any = surface("quadratic", 2, generator)
        squeeze = np.diag([10.0, 1.0]) if place == narrow else np.eye(2)
        curvature = squeeze @ base.curvature @ squeeze
        found.append(Surface(curvature=curvature, best=base.best, offset=float(lag)))
    return found
