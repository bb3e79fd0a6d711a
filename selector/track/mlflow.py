"""The mirror in MLflow: an experiment is a study, a parent run is an arm, a child run is a run.

The only file that imports mlflow, in the background thread: the import takes seconds. Runs are
found again by their tag `selector.key`, so that whatever is told twice appears once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from selector.config.decode import unknown
from selector.config.identity import plain
from selector.config.secrets import redacted
from selector.errors import ConfigError
from selector.track.background import BackgroundTracker, Mirror
from selector.track.labels import flat, labels, mark, name, text, title
from selector.track.outbox import Attach, Begin, End, Metrics, Point
from selector.track.run import Outcome
from selector.track.silence import Silence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

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
_STATUS = {
    Outcome.COMPLETE: "FINISHED",
    Outcome.STOPPED: "KILLED",
    Outcome.LOST: "KILLED",
}


def default_uri(runs: Path) -> str:
    """Address of the SQLite store in the folder `runs`, whose path may hold odd characters.

    Raises:
        ConfigError: the installed SQLAlchemy has no way to write this path as an address.
    """
    path = (runs.absolute() / "mlflow.db").as_posix()
    if not {"%", "?"} & set(path):
        return f"sqlite:///{path}"
    from sqlalchemy.engine import make_url

    # SQLAlchemy decodes %XX from 2.1 on, and does not before.
    for written in (path, path.replace("%", "%25").replace("?", "%3F")):
        if make_url(f"sqlite:///{written}").database == path:
            return f"sqlite:///{written}"
    raise ConfigError(
        f"runs: MLflow cannot keep its store under {str(runs)!r} ('%' or '?' in the path);"
        " choose another folder (--runs DIR) or tracker=none"
    )


class MlflowTracker(BackgroundTracker):
    """Mirrors runs to MLflow, in the background.

    Args:
        uri: MLflow's tracking URI: a database or a server.
        artifacts: folder for files, where `uri` is not a server that has its own place for them.
        most_points: how many metric values may wait for a slow store.
    """

    def __init__(self, uri: str, artifacts: Path, *, most_points: int = 100_000) -> None:
        for variable, value in ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        place = f"MLflow ({redacted(uri)})"
        super().__init__(_MlflowMirror(uri, artifacts), place, most_points=most_points)


@dataclass(kw_only=True)
class _Experiment:
    """A study's experiment and the runs found in it, by what they mirror."""

    identifier: str
    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    """(run, its key), (arm, its name) or (study, its name) -> MLflow's run id."""


@dataclass(kw_only=True)
class _Live:
    """A run that has begun here and is not known to be over there."""

    begin: Begin
    run_id: str = ""
    stored_metrics: frozenset[str] = frozenset()
    """Metrics that the run had before it was continued."""
    steps: dict[str, set[int]] = field(default_factory=dict)
    """Metric -> steps that MLflow has."""
    end: End | None = None


class _MlflowMirror(Mirror):
    def __init__(self, uri: str, artifacts: Path) -> None:
        self._uri = uri
        self._artifacts = artifacts.absolute()
        self._client: MlflowClient | None = None
        self._silence = Silence()
        self._experiments: dict[str, _Experiment] = {}
        self._live: dict[str, _Live] = {}
        self._arms: dict[tuple[str, str], str] = {}

    def begin(self, message: Begin) -> None:
        """Create or continue the run."""
        live = self._live.setdefault(message.run.key, _Live(begin=message))
        live.end = None
        self._open(live)

    def log(self, message: Metrics) -> None:
        """Log values that are finite and new; the others become tags or are skipped."""
        if live := self._live.get(message.key):
            self._log(live, message.points, {})

    def end(self, message: End) -> None:
        """Log the value, what is known of the run, and how it ended."""
        live = self._live.get(message.key)
        if live is None:
            return
        live.end = message
        result = message.result
        points = []
        if result.value is not None:
            points.append(Point("value", result.value, result.steps, message.milliseconds))
        tags = {
            "selector.outcome": str(result.outcome),
            "selector.steps": str(result.steps),
            "selector.seconds": f"{result.seconds:.3f}",
            **flat(result.facts, "selector.facts."),
        }
        if result.error:
            tags["selector.error"] = result.error[-_TAG:]
        self._log(live, points, tags)
        status = _STATUS.get(result.outcome, "FAILED")
        self._connect().set_terminated(live.run_id, status, message.milliseconds)
        del self._live[message.key]

    def attach(self, message: Attach) -> None:
        """Store the files with a run of their own, called report."""
        client = self._connect()
        tags = {"selector.study": message.study}
        run_id, _ = self._run(message.study, "study", message.study, "report", tags)
        for path in message.paths:
            if path.is_dir():
                client.log_artifacts(run_id, str(path), path.name)
            else:
                client.log_artifact(run_id, str(path))
        client.set_terminated(run_id, "FINISHED")

    def finish(self) -> None:
        """Tell again the ends that did not arrive; runs without an end are killed ones."""
        for key, live in list(self._live.items()):
            if live.end is not None:
                self.end(live.end)
            elif live.run_id:
                self._connect().set_tag(live.run_id, "selector.outcome", "not over")
                self._connect().set_terminated(live.run_id, "KILLED")
            self._live.pop(key, None)
        for run_id in self._arms.values():
            self._connect().set_terminated(run_id, "FINISHED")

    def leave(self) -> None:
        """Let what other threads log through mlflow be heard as before."""
        self._silence.lift()

    def _connect(self) -> MlflowClient:
        if self._client is None:
            from mlflow import MlflowClient

            self._silence.fall()
            self._client = MlflowClient(self._uri)
        return self._client

    def _open(self, live: _Live) -> str:
        """The run's id in MLflow, where it has its parent, its parameters and its labels."""
        if live.run_id:
            return live.run_id
        begin = live.begin
        study, arm = begin.origin.study, begin.origin.arm
        tags = labels(begin)
        if arm:
            if (study, arm) not in self._arms:
                named = {"selector.study": study, "selector.arm": arm}
                self._arms[study, arm], _ = self._run(study, "arm", arm, arm, named)
            tags["mlflow.parentRunId"] = self._arms[study, arm]
        run_id, stored = self._run(
            study, "run", begin.run.key, title(begin), tags, begin.milliseconds
        )
        parameters = flat({**plain(begin.run.config), "tokens": begin.run.tokens})
        if stored is not None:
            live.stored_metrics = frozenset(stored.data.metrics)
            parameters = {k: v for k, v in parameters.items() if k not in stored.data.params}
            self._batch(run_id, (), {}, tags)
        self._batch(run_id, (), parameters, {})
        live.run_id = run_id
        return run_id

    def _run(
        self,
        study: str,
        kind: str,
        key: str,
        shown: str,
        tags: Mapping[str, str],
        milliseconds: int | None = None,
    ) -> tuple[str, StoredRun | None]:
        """A run's id, and the run itself where it was there before; it is running now."""
        client, experiment = self._connect(), self._experiment(study)
        run_id = experiment.runs.get((kind, key))
        if run_id is not None:
            client.update_run(run_id, status="RUNNING")
            return run_id, client.get_run(run_id)
        tags = {
            **tags,
            "selector.kind": kind,
            "selector.key": key,
            "mlflow.source.name": "selector",
        }
        try:
            created = client.create_run(
                experiment.identifier,
                start_time=milliseconds,
                tags={name(key): text(value, _TAG) for key, value in tags.items()},
                run_name=text(shown, _TITLE),
            )
        except Exception:
            del self._experiments[study]  # it may exist all the same: search before the next try
            raise
        experiment.runs[kind, key] = created.info.run_id
        return created.info.run_id, None

    def _experiment(self, study: str) -> _Experiment:
        if study in self._experiments:
            return self._experiments[study]
        client = self._connect()
        shown = study if len(study) <= _EXPERIMENT else f"{study[: _EXPERIMENT - 9]}-{mark(study)}"
        shown = text(shown, _EXPERIMENT)
        stored = client.get_experiment_by_name(shown)
        if stored is None:
            served = self._uri.startswith(("http:", "https:", "databricks"))
            place = None if served else (self._artifacts / name(study, 80, "_-")).as_uri()
            identifier = client.create_experiment(shown, artifact_location=place)
        else:
            identifier = stored.experiment_id
            if stored.lifecycle_stage == "deleted":  # in the UI; the study itself goes on
                client.restore_experiment(identifier)
        self._experiments[study] = _Experiment(identifier=identifier, runs=self._found(identifier))
        return self._experiments[study]

    def _found(self, experiment: str) -> dict[tuple[str, str], str]:
        """What the experiment holds already; of several runs for one thing the first."""
        runs, token = {}, None
        while True:
            page = self._connect().search_runs(
                [experiment],
                max_results=_PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            for run in page:
                tags = run.data.tags
                kind, key = tags.get("selector.kind", ""), tags.get("selector.key", "")
                runs[kind, key] = run.info.run_id
            token = page.token
            if not token:
                return runs

    def _log(self, live: _Live, points: Iterable[Point], tags: dict[str, str]) -> None:
        run_id = self._open(live)
        new: dict[tuple[str, int], Point] = {}
        for point in points:
            metric, value = name(point.name), float(point.value)
            if not math.isfinite(value):  # MLflow would show infinity as 1.8e308
                tags.setdefault(f"selector.not_finite.{metric}", f"{value} at step {point.step}")
            elif point.step not in self._steps(live, metric):
                new[metric, point.step] = point._replace(name=metric, value=value)
        self._batch(run_id, new.values(), {}, tags)
        for metric, step in new:
            live.steps[metric].add(step)

    def _steps(self, live: _Live, metric: str) -> set[int]:
        """The steps for which MLflow has the metric; what was told first stays."""
        if metric not in live.steps:
            known = metric in live.stored_metrics
            history = self._connect().get_metric_history(live.run_id, metric) if known else []
            live.steps[metric] = {value.step for value in history}
        return live.steps[metric]

    def _batch(
        self,
        run_id: str,
        points: Iterable[Point],
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._connect().log_batch(
            run_id,
            metrics=[Metric(p.name, p.value, p.milliseconds, p.step) for p in points],
            params=[Param(name(k), text(v, _PARAMETER)) for k, v in parameters.items() if v],
            tags=[RunTag(name(k), text(v, _TAG)) for k, v in tags.items()],
            synchronous=True,
        )


def finished_runs(uri: str, experiment: str) -> list[tuple[dict[str, str], dict[str, float]]]:
    """Parameters and last metrics of an experiment's finished runs, the oldest first.

    Raises:
        ConfigError: there is no such experiment, or no such store.
    """
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    silence, shown = Silence(), redacted(uri)
    silence.fall()
    try:
        client = MlflowClient(uri)
        stored = client.get_experiment_by_name(experiment)
        if stored is None:
            names = sorted(item.name for item in client.search_experiments())
            raise ConfigError(f"{shown}: {unknown('experiment', experiment, names)}")
        runs, token = [], None
        while True:
            page = client.search_runs(
                [stored.experiment_id],
                filter_string="attributes.status = 'FINISHED'",
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += [(dict(run.data.params), dict(run.data.metrics)) for run in page]
            token = page.token
            if not token:
                return runs
    except MlflowException as error:
        raise ConfigError(f"{shown}: MLflow cannot read it: {redacted(str(error))}") from error
    finally:
        silence.lift()
