"""The door to MLflow: the calls that a mirror needs, on one store, with names and texts it takes.

The only file that imports mlflow, at the first call: the import takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from selector.config.decode import unknown
from selector.config.secrets import redacted
from selector.errors import ConfigError
from selector.track.database import opened, refuse_unusable
from selector.track.labels import mark, name, text
from selector.track.points import Point
from selector.track.silence import Silence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: What mlflow reads from the environment; a user's own setting wins.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # By default a dead server holds each call for four minutes. No retries inside the client: a
    # creation sent twice makes two runs; the background thread looks first, then tries again.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "False",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
}
#: MLflow's own limits, in characters (it has 8000 for tags: nobody browses a longer error).
_TITLE, _EXPERIMENT, _PARAMETER, _TAG = 250, 500, 6000, 5000
#: Runs in one answer of a search: with all their tags and parameters it stays within the timeout.
_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Where a study's runs are shown."""

    identifier: str
    created: int
    """When, in milliseconds since the epoch: tells it from one of another store."""
    fresh: bool
    """Whether it was made just now, so that nothing is there yet."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A run that the store holds."""

    identifier: str
    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    """Last values."""

    @property
    def kind(self) -> str:
        """What it shows: a run, an arm or the study; empty: nothing of ours."""
        return self.tags.get("selector.kind", "")

    @property
    def key(self) -> str:
        """Which one."""
        return self.tags.get("selector.key", "")


class MlflowStore:
    """One tracking server or database; every call may raise whatever MLflow does.

    Args:
        uri: MLflow's tracking URI.
        artifacts: folder for files, where `uri` is not a server that has its own place for them.

    Raises:
        ConfigError: MLflow can keep nothing at this address.
    """

    def __init__(self, uri: str, artifacts: Path) -> None:
        refuse_unusable(uri)
        for variable, value in ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        self.uri = uri
        self._artifacts = artifacts.absolute()
        self._client: MlflowClient | None = None
        self._silence = Silence()

    @property
    def place(self) -> str:
        """The store's name for people, without a password."""
        return f"MLflow ({redacted(self.uri)})"

    def experiment(self, study: str) -> Experiment:
        """The study's experiment, made where it is not there."""
        client = self.connect()
        shown = study if len(study) <= _EXPERIMENT else f"{study[: _EXPERIMENT - 9]}-{mark(study)}"
        shown = text(shown, _EXPERIMENT)
        stored = client.get_experiment_by_name(shown)
        if stored is None:
            served = self.uri.startswith(("http:", "https:", "databricks"))
            place = None if served else (self._artifacts / name(study, 80, "_-")).as_uri()
            identifier = client.create_experiment(shown, artifact_location=place)
            made = client.get_experiment(identifier)
            return Experiment(identifier=identifier, created=made.creation_time or 0, fresh=True)
        if stored.lifecycle_stage == "deleted":  # in the UI; the study itself goes on
            client.restore_experiment(stored.experiment_id)
        return Experiment(
            identifier=stored.experiment_id, created=stored.creation_time or 0, fresh=False
        )

    def runs(self, experiment: str, condition: str = "") -> Iterator[Found]:
        """The experiment's runs, page by page, the oldest first."""
        token = None
        while True:
            page = self.connect().search_runs(
                [experiment],
                filter_string=condition,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from map(_found, page)
            token = page.token
            if not token:
                return

    def search(self, experiment: str, kind: str, key: str) -> Found | None:
        """What shows this thing; of several the oldest."""
        written = text(key, _TAG)
        quote = '"' if "'" in written else "'"
        plain = quote not in written and written.isprintable()
        condition = f"tags.`selector.key` = {quote}{written}{quote}" if plain else ""
        for found in self.runs(experiment, condition):
            if (found.kind, found.key) == (kind, written):
                return found
        return None

    def run(self, identifier: str) -> Found | None:
        """The run, unless it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            stored = self.connect().get_run(identifier)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return _found(stored) if stored.info.lifecycle_stage == "active" else None

    def create(
        self, experiment: str, shown: str, tags: Mapping[str, str], start: int | None = None
    ) -> str:
        """A new run, running since `start` (milliseconds since the epoch)."""
        created = self.connect().create_run(
            experiment,
            start_time=start,
            tags={name(key): text(value, _TAG) for key, value in tags.items()},
            run_name=text(shown, _TITLE),
        )
        return str(created.info.run_id)

    def steps(self, run: str, metric: str) -> set[int]:
        """The steps for which the run has the metric."""
        return {value.step for value in self.connect().get_metric_history(run, metric)}

    def write(
        self,
        run: str,
        points: Iterable[Point],
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        """Add to a run; parameters that it has must not differ."""
        from mlflow.entities import Metric, Param, RunTag

        self.connect().log_batch(
            run,
            metrics=[Metric(p.name, p.value, p.milliseconds, p.step) for p in points],
            params=[Param(k, v) for k, v in self.shown_parameters(parameters).items() if v],
            tags=[RunTag(name(k), text(v, _TAG)) for k, v in tags.items()],
            synchronous=True,
        )

    def shown_parameters(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Parameters with the names and the lengths that they have in MLflow."""
        return {name(k): text(v, _PARAMETER) for k, v in parameters.items()}

    def set_status(self, run: str, status: str, end: int | None = None) -> None:
        """Show a run as RUNNING, or as over since `end` (milliseconds since the epoch)."""
        if status == "RUNNING":
            self.connect().update_run(run, status=status)
        else:
            self.connect().set_terminated(run, status, end)

    def delete(self, run: str) -> None:
        """Move a run to MLflow's trash."""
        self.connect().delete_run(run)

    def attach(self, run: str, path: Path) -> None:
        """Store a file or a folder with a run; one of that name is replaced."""
        if path.is_dir():
            self.connect().log_artifacts(run, str(path), path.name)
        else:
            self.connect().log_artifact(run, str(path))

    def leave(self) -> None:
        """Let what other threads log through mlflow be heard as before."""
        self._silence.lift()

    def connect(self) -> MlflowClient:
        """MLflow's own client, which makes a database where none is there."""
        if self._client is None:
            from mlflow import MlflowClient

            self._silence.fall()
            self._client = opened(self.uri, MlflowClient)
        return self._client


def _found(run: Run) -> Found:
    return Found(
        identifier=run.info.run_id,
        status=run.info.status,
        tags=run.data.tags,
        parameters=run.data.params,
        metrics=run.data.metrics,
    )


def finished_runs(uri: str, experiment: str) -> list[tuple[dict[str, str], dict[str, float]]]:
    """Parameters and last metrics of an experiment's finished runs, the oldest first.

    Raises:
        ConfigError: there is no such experiment, or no such store.
    """
    store = MlflowStore(uri, Path("artifacts"))  # where nothing is put; sets the environment
    from mlflow.exceptions import MlflowException

    try:
        client = store.connect()
        stored = client.get_experiment_by_name(experiment)
        if stored is None:
            names = sorted(item.name for item in client.search_experiments())
            raise ConfigError(f"{redacted(uri)}: {unknown('experiment', experiment, names)}")
        found = store.runs(stored.experiment_id, "attributes.status = 'FINISHED'")
        return [(dict(run.parameters), dict(run.metrics)) for run in found]
    except MlflowException as error:
        raise ConfigError(
            f"{redacted(uri)}: MLflow cannot read it: {redacted(str(error))}"
        ) from error
    finally:
        store.leave()
