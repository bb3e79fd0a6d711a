"""What a record promises over any store; a subclass supplies `store`."""

from __future__ import annotations

import pytest

from selector.track.record import Record
from selector.track.run import Outcome, Result, Run, Told, Trial
from tests.report.build import config


class RecordContract:
    """What a record promises over any store."""

    @pytest.fixture
    def store(self, tmp_path):
        raise NotImplementedError

    def fill(self, record):
        trial = Trial(
            number=1, arm="a <b>/..", sub_search=0, index=0,
            values={"optimizer.lr": 1e-5}, config=config(),
        )  # fmt: skip
        record.add_trial(trial)
        key = record.run_key(trial, "explore", 1000)
        run = Run(key=key, config=trial.config, stage="explore", seed=1000, tokens=64)
        return trial, record.ask(run, trial)

    def test_what_is_written_is_read_back(self, store):
        record = Record(store)
        record.write_study({"name": "x", "rate": 1e-5})
        trial, run = self.fill(record)
        record.report(run.key, 1, {"loss": 2.5})
        record.report(run.key, 2, {"loss": 2.25, "bad": float("nan")})
        result = Result(
            outcome=Outcome.COMPLETE, value=2.25, metrics={"loss": 2.25}, steps=2, seconds=0.5,
            error="", facts={"device": "cpu"},
            told=Told(state="complete", value=2.25, constraint=-1.0),
        )  # fmt: skip
        record.finish(run.key, result)
        record.decide({"decision": "finalist", "trial": 1})
        again = Record(store)
        assert again.study() == {"format": 1, "name": "x", "rate": 1e-5}
        assert again.trials == {1: trial}
        assert again.run(run.key).result == result
        assert again.run(run.key).run == run
        assert again.curve(run.key) == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.25}]
        assert again.decisions() == [{"format": 1, "decision": "finalist", "trial": 1}]

    def test_a_run_asked_again_starts_its_curve_again(self, store):
        record = Record(store)
        trial, run = self.fill(record)
        record.report(run.key, 1, {"loss": 2.5})
        record.ask(run, trial)
        assert record.curve(run.key) == []

    def test_an_empty_store_holds_nothing(self, store):
        record = Record(store)
        assert (record.study(), record.trials, list(record.runs())) == (None, {}, [])
