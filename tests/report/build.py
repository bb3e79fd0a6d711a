"""Studies with plausible numbers, made without training: value = quadratic in log rate + noise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selector.config.batch import Batch
from selector.config.budget import Budget
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.regularization import Regularization
from selector.config.schema import Data, Launch, RunConfig, Track
from selector.config.technique import Technique, Value
from selector.space.dimension import Dimension, Interval
from selector.space.space import Space, assign
from selector.study.searches import Searches
from selector.study.stored import StoredStudy
from selector.study.study import Arm, Margin, Study
from selector.track.record import Record
from selector.track.run import Outcome, Result, Run, Told, Trial
from selector.track.store import MemoryStore, Store

METRIC = "validation/loss"
TOKENS = 327_680
EVALUATIONS = 10


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Where an arm is best and how good it is there."""

    name: str = "adamw"
    best: float = 2.4
    rate: float = 3e-3
    """The learning rate at which it is best."""
    curvature: float = 0.15
    """Loss added at a rate ten times too small or large."""
    cliff: float = 0.05
    """Higher rates diverge."""
    low: float = 3e-4
    high: float = 3e-2
    seconds: float = 12.0
    dimensions: dict[str, Dimension] | None = None
    """What is tuned; None: the learning rate."""
    compared: dict[str, Value] | None = None
    tuned: bool = True


def config(optimizer: str = "adamw", *, objective: str = "causal_lm") -> RunConfig:
    """A small but whole configuration."""
    function = objective == "function"
    return RunConfig(
        model=Model(name="pico", depth=2, width=64, heads=2),
        optimizer=Technique(
            name=optimizer, values={"lr": 0.003, "weight_decay": 0.1, "betas": (0.9, 0.95)}
        ),
        schedule=Technique(name="linear_to_zero", values={"warmup": 0.05}),
        objective=Objective(
            name="ridge" if function else "causal_lm",
            kind="function" if function else "causal_lm",
            metric=METRIC,
            function="ridge:train" if function else "",
        ),
        data=Data(name="stdlib", source="stdlib", fingerprint="d4c81f90a7b2"),
        batch=Batch(micro_batch=8, context=128),
        regularization=Regularization(),
        compute=Compute(),
    )


def study(surfaces: Sequence[Surface], **changes: Any) -> Study:
    """A study of one arm a surface; `changes` are fields of Study, or of its budget."""
    budget = {"name": "small", "trials": 8, "replicates": 4, "verdict_seeds": 2, "tokens": TOKENS}
    known = set(Budget.__dataclass_fields__) - {"name", "rungs"}
    budget |= {key: changes.pop(key) for key in list(changes) if key in known}
    objective = changes.pop("objective", "causal_lm")
    arms = tuple(_arm(surface, objective) for surface in surfaces)
    fields: dict[str, Any] = {
        "name": "optimizers",
        "question": "Which optimizer trains a pico GPT best at equal tuning budget?",
        "metric": METRIC,
        "direction": "minimize",
        "seed": 1,
        "margin": Margin(absolute=0.01, share=0.005),
        "sampler": Technique(name="random"),
        "budget": Budget(**budget),
        "launcher": Launch(),
        "tracker": Track(),
        "arms": arms,
    }
    return Study(**(fields | changes))


@dataclass
class Builder:
    """Fills a record with the runs of a study, as its loop would."""

    study: Study
    surfaces: Sequence[Surface]
    store: Store = field(default_factory=MemoryStore)
    noise: float = 0.01
    points: int = EVALUATIONS
    outcome: Callable[[Trial, str], Outcome | None] = lambda trial, stage: None
    """Forces the outcome of a run; None: what the surface says."""
    change: Callable[[Result, Trial, str], Result] = lambda result, trial, stage: result
    """What a run's result is stored as."""

    def __post_init__(self) -> None:
        """Store the study."""
        self.record = Record(self.store)
        self.record.write_study(self.study.to_mapping())
        self._random = random.Random(self.study.seed)

    def stored(self) -> StoredStudy:
        """What was recorded so far."""
        return StoredStudy(study=self.study, record=self.record, folder=Path("runs/optimizers"))

    def explore(self, share: float = 1.0) -> Builder:
        """Trials of every sub-search; `share` of them only, for an unfinished study."""
        number = 0
        for surface, arm in zip(self.surfaces, self.study.arms, strict=True):
            for sub_search in range(self.study.sub_searches):
                for index in range(math.ceil(share * self.study.trials_in(arm))):
                    number += 1
                    values = {
                        key: item.at(self._random.random())
                        for key, item in arm.space.dimensions.items()
                    }
                    trial = Trial(
                        number=number,
                        arm=arm.name,
                        sub_search=sub_search,
                        index=index,
                        values=values,
                        config=assign(arm.config, values),
                    )
                    self.record.add_trial(trial)
                    stage = "rung1" if self.study.rungs else "explore"
                    self.run(trial, surface, stage, self.study.seed_of(stage, sub_search))
        if self.study.rungs:
            searches = Searches(self.study, self.record)
            for surface, own in zip(self.surfaces, searches.arms.values(), strict=True):
                for search in own.sub_searches:
                    for trial in list(search.promotions()):
                        seed = self.study.seed_of("explore", search.number)
                        self.run(trial, surface, "explore", seed)
        return self

    def verdict(self) -> Builder:
        """Verdict runs of every finalist."""
        searches = Searches(self.study, self.record)
        for surface, arm in zip(self.surfaces, searches.arms.values(), strict=True):
            for search in arm.sub_searches:
                leader = search.leader()
                for place in range(self.study.verdict_seeds if leader else 0):
                    seed = self.study.seed_of("verdict", search.number, place)
                    self.run(leader, surface, "verdict", seed)  # type: ignore[arg-type]
        return self

    def run(self, trial: Trial, surface: Surface, stage: str, seed: int) -> None:
        """One run: asked, reported, over."""
        budget = self.study.budget
        key = self.record.run_key(trial, stage, seed)
        run = self.record.ask(
            Run(key=key, config=trial.config, stage=stage, seed=seed, tokens=budget.tokens), trial
        )
        rate = float(trial.values.get("optimizer.lr", surface.rate))  # type: ignore[arg-type]
        forced = self.outcome(trial, stage)
        outcome = forced or (Outcome.DIVERGED if rate > surface.cliff else Outcome.COMPLETE)
        failed = outcome is not Outcome.COMPLETE
        steps = trial.config.steps(run.tokens)
        value = surface.best + surface.curvature * math.log10(rate / surface.rate) ** 2
        value += self._random.gauss(0, self.noise)
        metrics: dict[str, float] = {}
        last = 0
        for place in range(1, self.points + 1):
            share = place / self.points
            if failed and share > 0.3:
                break
            last = round(share * steps)
            metrics = {METRIC: value + 2.5 * math.exp(-9 * share) + 0.004 * (1 - share)}
            if place == self.points:
                metrics = {METRIC: value}
                if stage == "verdict":
                    metrics["test/loss"] = value + 0.02
            self.record.report(key, last, metrics)
        result = Result(
            outcome=outcome,
            value=None if failed else value,
            metrics=metrics,
            steps=last,
            seconds=surface.seconds * (0.3 if failed else 1.0) * self._random.uniform(0.95, 1.05),
            error=f"loss is not finite at step {last}" if failed else "",
            facts={
                "device": "cpu",
                "width": 1,
                "threads": 1,
                "versions": {"selector": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
            },
            told=Told(state="complete", value=value, constraint=1.0 if failed else -1.0),
        )
        self.record.finish(key, self.change(result, trial, stage))


def finished(*surfaces: Surface, **changes: Any) -> Builder:
    """A study whose every run is over."""
    own = {
        key: changes.pop(key)
        for key in ("store", "noise", "outcome", "change", "points")
        if key in changes
    }
    return Builder(study(surfaces, **changes), surfaces, **own).explore().verdict()


def _arm(surface: Surface, objective: str) -> Arm:
    dimensions = surface.dimensions
    if dimensions is None:
        rate = Interval(low=surface.low, high=surface.high, log=True)
        dimensions = {"optimizer.lr": rate} if surface.tuned else {}
    optimizer = surface.name
    return Arm(
        name=surface.name,
        choices={"optimizer": optimizer, "model": "pico"},
        compared=surface.compared or {"optimizer": optimizer},
        config=config(optimizer, objective=objective),
        space=Space(dimensions=dimensions),
        tokens=TOKENS,
    )


ADAMW = Surface()
MUON = Surface(name="muon", best=2.36, rate=1.5e-2, low=2e-3, high=6e-2, cliff=0.045, seconds=15.0)
SGD = Surface(name="sgd", best=2.9, rate=0.2, low=1e-2, high=1.0, cliff=0.4, seconds=10.0)
