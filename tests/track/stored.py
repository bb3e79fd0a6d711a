"""An MLflow store, and what a person finds in it."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from selector.config.schema import Track
from selector.track import make_tracker
from selector.track.database import default_uri
from selector.track.mlflow import MlflowStore
from selector.track.tracker import Tracker
from tests.track.examples import Told


class Stored:
    """The store of a runs folder."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.uri = default_uri(runs)
        self.client = MlflowClient(self.uri)

    def tracker(self) -> Tracker:
        """A new tracker on this store."""
        return make_tracker(Track(), self.runs)

    def told(self, study: str) -> Told:
        """A new tracker on this store that is told of a study."""
        return Told(self.tracker(), self.runs, study)

    def store(self) -> MlflowStore:
        """The door to this store."""
        return MlflowStore(self.uri, self.runs / "artifacts")

    def found(self, study: str, kind: str = "run") -> dict[str, Run]:
        """A study's runs by their key; each must be there once."""
        experiment = self.client.get_experiment_by_name(study)
        assert experiment is not None
        runs = [
            run
            for run in self.client.search_runs([experiment.experiment_id])
            if run.data.tags["selector.kind"] == kind
        ]
        by_key = {run.data.tags["selector.key"]: run for run in runs}
        assert len(by_key) == len(runs)
        return by_key

    def history(self, run: Run) -> dict[tuple[str, int], float]:
        """(metric, step) -> value; each must be there once."""
        values = [
            (metric, value.step, value.value)
            for metric in run.data.metrics
            for value in self.client.get_metric_history(run.info.run_id, metric)
        ]
        by_step = {(metric, step): value for metric, step, value in values}
        assert len(by_step) == len(values)
        return by_step
