"""What the trainer's tests share: small configurations, a prepared text, a reporter that keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.model import Model
from selector.config.objective import Objective
from selector.config.regularization import Regularization
from selector.config.schema import Data, RunConfig
from selector.config.technique import Technique
from selector.track.run import Ended
from selector.train.data.prepare import prepare
from selector.train.optimizer import OPTIMIZERS
from tests.train.defaults import defaults

OPTIMIZER_VALUES: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.3, "weight_decay": 1e-4, "momentum": 0.9, "nesterov": True},
    "adam": {"lr": 3e-3, "weight_decay": 1e-4, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8},
    "adamw": {"lr": 3e-3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8},
    "lion": {"lr": 1e-3, "weight_decay": 0.6, "beta1": 0.9, "beta2": 0.98},
    "muon": {
        "lr": 0.02,
        "weight_decay": 0.1,
        "momentum": 0.95,
        "aux_lr_ratio": 0.3,
        "aux_beta1": 0.9,
        "aux_beta2": 0.95,
        "aux_eps": 1e-8,
    },
}
Configure = Callable[..., RunConfig]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As workers train on a CPU; bit-equality is promised for one number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Data, Path]:
    """A text of made-up sentences, prepared: (data, folder)."""
    folder = tmp_path_factory.mktemp("text")
    words = ["the", "a", "cat", "dog", "sees", "hears", "old", "red", "house", "tree", "slowly"]
    drawn = np.random.default_rng(0).choice(words, 8000)
    text = folder / "text.txt"
    text.write_text(". ".join(" ".join(drawn[at : at + 7]) for at in range(0, 8000, 7)))
    data = Data(
        name="text",
        source="text",
        paths=(str(text),),
        validation_share=0.1,
        test_share=0.1,
    )
    return prepare(data, folder / "prepared", context=16), folder / "prepared"


@pytest.fixture
def configure(prepared: tuple[Data, Path]) -> Configure:
    """Build a small configuration; parts are given as mappings of what differs."""

    def build(
        optimizer: str = "adamw",
        values: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        batch: Mapping[str, Any] | None = None,
        regularization: Mapping[str, Any] | None = None,
        objective: Mapping[str, Any] | None = None,
        schedule: Mapping[str, Any] | None = None,
    ) -> RunConfig:
        shape = {"name": "tiny", "depth": 2, "width": 16, "heads": 2, **(model or {})}
        goal = {"name": "lm", "metric": "validation/loss", "evaluations": 2}
        form = {"name": "linear_to_zero", "warmup": 0.1, **(schedule or {})}
        return RunConfig(
            model=Model(**shape),
            optimizer=Technique(
                name=optimizer,
                banked=OPTIMIZERS[optimizer].banked,
                values={
                    **defaults(optimizer),
                    **OPTIMIZER_VALUES.get(optimizer, {}),
                    **(values or {}),
                },
            ),
            schedule=Technique(name=form.pop("name"), values=form),
            objective=Objective(**{**goal, "evaluation_tokens": 2048, **(objective or {})}),
            data=prepared[0],
            batch=Batch(**{"micro_batch": 4, "context": 16, **(batch or {})}),
            regularization=Regularization(**(regularization or {})),
            compute=Compute(device="cpu"),
        )

    return build


@dataclass
class Recorder:
    """A reporter that keeps everything; asks the runs in `stopping` to stop."""

    stopping: frozenset[str] = frozenset()
    reports: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    ended: list[tuple[str, Ended]] = field(default_factory=list)

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        assert key not in dict(self.ended), "reported after its end"
        self.reports.append((key, step, dict(metrics)))

    def end(self, key: str, ended: Ended) -> None:
        self.ended.append((key, ended))

    def should_stop(self, key: str) -> bool:
        return key in self.stopping

    def curve(self, key: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) of every report of one metric of one run."""
        return [
            (step, metrics[metric])
            for of, step, metrics in self.reports
            if of == key and metric in metrics
        ]


@pytest.fixture
def recorder() -> type[Recorder]:
    """The class: a test makes the recorders it needs."""
    return Recorder
