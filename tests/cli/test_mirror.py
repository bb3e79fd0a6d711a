"""The mirror as people meet it: `sync`, servers that are away, a server that is killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from selector.track.database import default_uri
from selector.track.mlflow import ENVIRONMENT
from tests.cli.conftest import Workplace
from tests.track.ports import Away, closed_port, silent_port
from tests.track.stored import Stored

SECONDS = 0.4  # of a run


class Server:
    """`mlflow server` on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", default_uri(self.folder)),
            *("--artifacts-destination", (self.folder / "artifacts").as_uri()),
        ]
        more = {**ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **more},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 150
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    yield server
    server.kill()


def seconds_of_training(folder: Path) -> float:
    """From the first run that was asked for to the last result."""
    runs = folder.glob("trials/*/runs/*")
    times = [[(run / name).stat().st_mtime for name in ("run.yaml", "result.json")] for run in runs]
    begun, over = zip(*times, strict=True)
    return max(over) - min(begun)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_server_that_is_killed_and_started_again_has_everything_once(
    workplace: Workplace, server: Server
) -> None:
    study = ("run", "study.yaml", "budget.trials=12", f"objective.parameters.seconds={SECONDS}")
    server.start()
    server.wait()
    running = workplace.start(*study, f"tracker.uri={server.uri}", "tracker=mlflow")
    workplace.wait_for(8)
    server.kill()
    workplace.wait_for(16)
    server.start()
    _, error = running.communicate(timeout=200)
    assert running.returncode == 0, error
    assert "lacks" not in error
    runs = workplace.finished()
    found = Stored(workplace.folder / "runs")
    found.client = MlflowClient(server.uri)
    shown = found.found("mine")
    assert len(shown) == runs
    assert {run.info.status for run in shown.values()} == {"FINISHED"}
    assert all(len(found.history(run)) == 4 for run in shown.values())
    synced = workplace.json("sync", "mine")
    assert (synced["created"], synced["completed"], synced["unchanged"]) == (0, 0, runs)
    workplace.run(*study, "tracker=none", "name=alone")
    mirrored, alone = (
        seconds_of_training(workplace.folder / "runs" / name) for name in ("mine", "alone")
    )
    assert mirrored < 1.25 * alone + 1, (mirrored, alone)


@pytest.mark.slow
def test_sync_delivers_a_study_that_was_not_mirrored(workplace: Workplace) -> None:
    workplace.run("run", "study.yaml", "budget.trials=1")
    runs = workplace.finished()
    done = workplace.json("sync", "study.yaml")
    assert (done["study"], done["runs"], done["created"]) == ("mine", runs, runs)
    assert f"0 created, 0 completed, {runs} unchanged" in workplace.run("sync", "mine")
    found = Stored(workplace.folder / "runs")
    assert len(found.found("mine")) == runs
    (report,) = found.found("mine", "study").values()
    names = [file.path for file in found.client.list_artifacts(report.info.run_id)]
    assert "index.html" in names
    error = workplace.run("sync", "mine", "--uri", "http://127.0.0.1:9", code=1)
    assert error.startswith("selector: MLflow (http://127.0.0.1:9) does not answer: ")
    assert "unknown study 'other'" in workplace.run("sync", "other", code=2)


@pytest.mark.slow
@pytest.mark.parametrize("away", [closed_port, silent_port])
def test_a_study_ends_soon_though_its_server_is_away(away: Away, workplace: Workplace) -> None:
    workplace.run("run", "study.yaml", "name=alone")
    begin = time.monotonic()
    with away() as port:
        uri = f"tracker.uri=http://127.0.0.1:{port}"
        said = workplace.run("run", "study.yaml", "tracker=mlflow", uri)
    took = time.monotonic() - begin
    assert "`selector sync mine` completes it" in said
    mirrored, alone = (
        seconds_of_training(workplace.folder / "runs" / name) for name in ("mine", "alone")
    )
    assert mirrored < 1.25 * alone + 1, (mirrored, alone)
    assert took < mirrored + 20


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_studies_that_begin_at_once_share_a_store_that_is_not_there_yet(
    workplace: Workplace,
) -> None:
    """MLflow's migrations fail where two processes make one database."""
    names = ("a", "b", "c")
    study = ("run", "study.yaml", "tracker=mlflow", "budget.trials=1")
    running = [workplace.start(*study, f"name={name}") for name in names]
    for process in running:
        output, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
        assert "lacks" not in output
    found = Stored(workplace.folder / "runs")
    for name in names:
        assert len(found.found(name)) == workplace.finished(name)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_what_a_killed_command_did_not_deliver_is_there_after_the_next(
    workplace: Workplace,
) -> None:
    study = ("run", "study.yaml", "tracker=mlflow", "objective.parameters.seconds=0.3")
    for finished in (4, 8):  # the first one dies while MLflow makes its store
        killed = workplace.start(*study)
        workplace.wait_for(finished)
        killed.kill()
        killed.communicate()
    workplace.run(*study)
    stored = Stored(workplace.folder / "runs")
    arms = stored.found("mine", "arm")
    assert {run.info.status for run in arms.values()} == {"FINISHED"}
    found = stored.found("mine")
    assert len(found) == workplace.finished()
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    done = workplace.json("sync", "mine")
    assert (done["created"], done["completed"]) == (0, 0)
