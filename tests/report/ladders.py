"""Ladders with a known law: loss = E + A / N^alpha + B / D^beta + c * log10(lr / best)^2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selector.config.model import Model
from selector.space.cost import flops_per_token, product_weights
from selector.study.study import Study
from selector.track.run import Outcome, Result, Run, Told, Trial
from tests.report.build import METRIC, Builder, Surface, study

#: depth, width, heads of conf/model's smallest presets.
PICO, NANO, MICRO = (
    Model(name="pico", depth=2, width=64, heads=2),
    Model(name="nano", depth=4, width=128, heads=4),
    Model(name="micro", depth=6, width=256, heads=4),
)
MODELS = (PICO, NANO, MICRO)
TOKENS = (262_144, 1_048_576, 4_194_304)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The law of a simulated world, and where its best learning rate lies."""

    floor: float = 1.2
    size_factor: float = 40.0
    size_exponent: float = 0.4
    token_factor: float = 300.0
    token_exponent: float = 0.45
    rate: float = 3e-3
    """Best learning rate at a million weights and a million tokens."""
    rate_by_size: float = -0.3
    rate_by_tokens: float = 0.1
    curvature: float = 0.3
    noise: float = 0.005
    """Standard deviation between seeds."""

    def loss(self, size: float, tokens: float) -> float:
        """The loss at the best learning rate."""
        by_size = self.size_factor * size**-self.size_exponent
        return self.floor + by_size + self.token_factor * tokens**-self.token_exponent

    def best_rate(self, size: float, tokens: float) -> float:
        """The best learning rate."""
        by_size = (size / 1e6) ** self.rate_by_size
        return self.rate * by_size * (tokens / 1e6) ** self.rate_by_tokens


def ladder_study(
    models: Sequence[Model] = MODELS,
    tokens: Sequence[int] = TOKENS,
    *,
    optimizers: Sequence[str] = ("adamw",),
    equal_flops: bool = False,
    **changes: object,
) -> Study:
    """Every model at every length, or at as many tokens as cost what they cost the first model."""
    surfaces, arms = [], []
    for optimizer in optimizers:
        for model in models:
            for count in tokens:
                name = f"{optimizer}, " * (len(optimizers) > 1) + f"{model.name}, tokens={count}"
                compared = {"model": model.name, "budget.tokens": count}
                if len(optimizers) > 1:
                    compared = {"optimizer": optimizer, **compared}
                surfaces.append(Surface(name=name, compared=compared, low=3e-4, high=0.1))
    made = study(surfaces, **changes)
    plans = [(o, m, t) for o in optimizers for m in models for t in tokens]
    for arm, (optimizer, model, count) in zip(made.arms, plans, strict=True):
        config = replace(
            arm.config, model=model, optimizer=replace(arm.config.optimizer, name=optimizer)
        )
        length = count
        if equal_flops:
            first = replace(config, model=models[0])
            length = round(count * flops_per_token(first) / flops_per_token(config))
        arms.append(replace(arm, config=config, tokens=length))
    return replace(made, arms=tuple(arms), fair="flops" if equal_flops else "tokens")


class LadderBuilder(Builder):
    """Fills a record with the runs of a ladder."""

    def __init__(self, made: Study, truths: Sequence[Truth] = (Truth(),)) -> None:
        """`truths` holds one for all arms, or one for each."""
        self.truths = dict(
            zip([arm.name for arm in made.arms], [*truths] * len(made.arms), strict=False)
        )
        super().__init__(made, [Surface(name=arm.name) for arm in made.arms])

    def run(self, trial: Trial, surface: Surface, stage: str, seed: int) -> None:
        """One run: asked and over."""
        arm, truth = self.study.arm(trial.arm), self.truths[trial.arm]
        key = self.record.run_key(trial, stage, seed)
        run = Run(key=key, config=trial.config, stage=stage, seed=seed, tokens=arm.tokens)
        self.record.ask(run, trial)
        size, rate = product_weights(arm.config), trial.values.get("optimizer.lr")
        value = truth.loss(size, arm.tokens) + self._random.gauss(0, truth.noise)
        diverged = False
        if rate is not None:
            away = math.log10(float(rate) / truth.best_rate(size, arm.tokens))  # type: ignore[arg-type]
            value += truth.curvature * away**2
            diverged = away > 0.8
        self.record.finish(
            key,
            Result(
                outcome=Outcome.DIVERGED if diverged else Outcome.COMPLETE,
                value=None if diverged else value,
                metrics={} if diverged else {METRIC: value},
                steps=10,
                seconds=1.0,
                error="loss is not finite at step 3" if diverged else "",
                facts={},
                told=Told(state="complete", value=value, constraint=1.0 if diverged else -1.0),
            ),
        )


def climbed(made: Study | None = None, *truths: Truth) -> LadderBuilder:
    """A ladder whose every run is over."""
    built = LadderBuilder(made or ladder_study(), truths or (Truth(),))
    return built.explore().verdict()  # type: ignore[return-value]
