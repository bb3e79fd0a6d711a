from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from selector.config.batch import Batch
from selector.config.compute import Compute
from selector.config.objective import Objective
from selector.config.schema import Data
from selector.config.technique import Technique
from selector.launch.bank import BankRunner
from selector.launch.base import Reported
from selector.launch.local import LocalLauncher
from selector.track.run import Outcome, Run
from selector.train.data.prepare import prepare
from tests.contracts.launcher import drain, ended
from tests.contracts.runner import Notes, RunnerCase, RunnerContract
from tests.launch.examples import function_config

METRIC = "validation/loss"


@pytest.fixture(scope="module")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Makes runs of a tiny model on a few words in random order."""
    folder = tmp_path_factory.mktemp("data")
    words = random.Random(0).choices(["one", "two", "three", "four"], k=4000)
    (folder / "text.txt").write_text(" ".join(words))
    data = Data(name="text", source="text", paths=(str(folder / "text.txt"),))
    config = replace(
        function_config("unused:unused"),
        optimizer=Technique(
            name="sgd",
            values={"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
        ),
        schedule=Technique(name="constant", values={"warmup": 0.0}),
        objective=Objective(name="causal_lm", metric=METRIC, evaluations=4, evaluation_tokens=512),
        data=prepare(data, folder, context=16),
        batch=Batch(micro_batch=4, context=16),
        compute=Compute(device="cpu"),
    )
    return lambda key: Run(
        key=key, config=config, stage="explore", seed=1, tokens=64 * 40, data_folder=folder
    )


class TestBankRunner(RunnerContract):
    @pytest.fixture
    def case(self, make_run: Callable[[str], Run]) -> RunnerCase:
        return RunnerCase(runner=BankRunner(), run=make_run, metric=METRIC)


def test_a_worker_reports_what_this_process_reports(make_run: Callable[[str], Run]) -> None:
    here = Notes()
    BankRunner().run([make_run("a")], here, "cpu")
    with LocalLauncher(1) as launcher:
        launcher.submit(make_run("a"))
        events = drain(launcher, {"a"})
    assert ended(events, "a").outcome is Outcome.COMPLETE, ended(events, "a").error
    there = [(event.step, event.metrics) for event in events if isinstance(event, Reported)]
    assert [step for step, _ in there] == [step for _, step, _ in here.rows]
    for (_, metrics), (_, _, expected) in zip(there, here.rows, strict=True):
        assert metrics.keys() == expected.keys()
        if METRIC in expected:
            assert metrics[METRIC] == pytest.approx(expected[METRIC], rel=1e-4)


def test_prepared_data_that_is_missing_is_said_without_a_traceback(
    make_run: Callable[[str], Run], tmp_path: Path
) -> None:
    with LocalLauncher(1) as launcher:
        launcher.submit(replace(make_run("a"), data_folder=tmp_path))
        end = ended(drain(launcher, {"a"}), "a")
    assert end.outcome is Outcome.CRASHED
    assert "Traceback" not in end.error
