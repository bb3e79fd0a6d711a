"""CMA-ES: a normal distribution that moves and turns towards the better half of its points.

(mu/mu_w, lambda)-CMA-ES with the constants of Hansen's tutorial (https://arxiv.org/abs/1604.00772,
table 1). Nothing is stored: every ask replays the generations from what was told, so a study goes
on as it would have, and no second package is needed for what is eighty lines here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from selector.config.technique import Scalar
from selector.study.sampler.base import Ask, Sampler
from selector.study.sampler.encoding import Array, Encoding

#: Points outside the unit cube are drawn again this often, then cut off at its faces.
_DRAWS = 20


class EvolutionSampler(Sampler):
    """Generations of 4 + 3 ln(dimensions) points, the first around the middle of every range.

    Args:
        spread: Standard deviation of the first generation, as a share of every range.
    """

    learns = True

    def __init__(self, spread: float) -> None:
        self._spread = spread

    def independent(self, index: int, total: int, known: int = 0) -> bool:
        """Whether `index` belongs to the first generation, whatever the number of dimensions."""
        return index < population(1)

    def suggest(self, ask: Ask) -> dict[str, Scalar]:
        """A point of the distribution that the generations before this one lead to."""
        space, index = ask.space, ask.index
        encoding = Encoding(space)
        size = population(len(space.dimensions))
        state = _State.start(len(space.dimensions), self._spread)
        sign = 1.0 if ask.minimize else -1.0
        past = ask.past[
            len(ask.past) - index :
        ]  # observations from elsewhere belong to no generation
        for first in range(0, index - index % size, size):
            over = [
                item
                for item in past[first : first + size]
                if item.told is not None and item.told.value is not None
            ]
            over.sort(key=lambda item: (item.told.constraint > 0, sign * item.told.value))  # type: ignore[operator,union-attr]
            if over:
                state.learn(encoding.units([item.values for item in over]))
        generator = np.random.default_rng(ask.seed)
        for _ in range(_DRAWS):
            point = state.draw(generator)
            if ((point >= 0) & (point <= 1)).all():
                break
        return encoding.values(np.clip(point, 0.0, 1.0))


def population(dimensions: int) -> int:
    """Points in a generation."""
    return 4 + int(3 * math.log(max(dimensions, 1)))


@dataclass
class _State:
    """The distribution N(mean, sigma² · covariance) and the paths its mean has taken."""

    mean: Array
    sigma: float
    covariance: Array
    path: Array
    sigma_path: Array
    generation: int = 0

    @classmethod
    def start(cls, dimensions: int, spread: float) -> _State:
        middle, zero = np.full(dimensions, 0.5), np.zeros(dimensions)
        return cls(middle, spread, np.eye(dimensions), zero, zero)

    def draw(self, generator: np.random.Generator) -> Array:
        scales, axes = self._axes()
        normal = generator.standard_normal(len(self.mean))
        point: Array = self.mean + self.sigma * (axes @ (scales * normal))
        return point

    def learn(self, ranked: Array) -> None:
        """Move after a generation whose points [n, dimensions] are ranked, the best first."""
        count = len(self.mean)
        # A key that was absent says nothing of its coordinate: as if it had been the mean's.
        steps = (np.where(np.isnan(ranked), self.mean, ranked) - self.mean) / self.sigma
        better = max(1, len(ranked) // 2)
        raw = math.log((len(ranked) + 1) / 2) - np.log(np.arange(1, better + 1))
        weights = raw / raw.sum() if better > 1 else np.ones(1)
        effective = 1 / float((weights**2).sum())
        rate_sigma = (effective + 2) / (count + effective + 5)
        damping = 1 + 2 * max(0.0, math.sqrt((effective - 1) / (count + 1)) - 1) + rate_sigma
        rate_path = (4 + effective / count) / (count + 4 + 2 * effective / count)
        rate_one = 2 / ((count + 1.3) ** 2 + effective)
        rate_rank = min(
            1 - rate_one,
            2 * (effective - 2 + 1 / effective) / ((count + 2) ** 2 + effective),
        )
        rate_rank = max(rate_rank, 0.0)
        step = weights @ steps[:better]
        scales, axes = self._axes()
        white = axes @ ((axes.T @ step) / scales)
        self.sigma_path = (1 - rate_sigma) * self.sigma_path + (
            math.sqrt(rate_sigma * (2 - rate_sigma) * effective) * white
        )
        self.generation += 1
        expected = math.sqrt(count) * (1 - 1 / (4 * count) + 1 / (21 * count**2))
        length = float(np.linalg.norm(self.sigma_path))
        unbiased = math.sqrt(1 - (1 - rate_sigma) ** (2 * self.generation))
        moving = length / unbiased < (1.4 + 2 / (count + 1)) * expected
        self.path = (1 - rate_path) * self.path + (
            moving * math.sqrt(rate_path * (2 - rate_path) * effective) * step
        )
        kept = 1 - rate_one - rate_rank + (1 - moving) * rate_one * rate_path * (2 - rate_path)
        self.covariance = (
            kept * self.covariance
            + rate_one * np.outer(self.path, self.path)
            + rate_rank * (steps[:better].T * weights) @ steps[:better]
        )
        self.mean = self.mean + self.sigma * step
        self.sigma *= math.exp((rate_sigma / damping) * (length / expected - 1))

    def _axes(self) -> tuple[Array, Array]:
        """Standard deviations along the principal axes, and the axes as columns."""
        squares, axes = np.linalg.eigh(self.covariance)
        return np.sqrt(np.maximum(squares, 1e-20)), axes
