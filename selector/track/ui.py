"""The MLflow UI on 127.0.0.1, as a server in a process group of its own that dies with us."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from selector.errors import ConfigError, SelectorError, StudyError
from selector.track.database import default_uri
from selector.track.mlflow import ENVIRONMENT

HOST = "127.0.0.1"
#: A first start upgrades the database and compiles byte code: minutes on a slow disk.
_SECONDS_TO_START = 180.0
_SECONDS_TO_END = 5.0
_POLL_SECONDS = 0.2


class _Stop(Exception):
    """Ctrl-C or SIGTERM."""


def serve(runs: Path, port: int, uri: str = "", ready: Callable[[str], None] | None = None) -> int:
    """Serve the MLflow UI until Ctrl-C or SIGTERM; call from the main thread.

    Args:
        runs: the runs folder, whose store is shown.
        port: where to listen on 127.0.0.1.
        uri: another database to show; empty: the one in `runs`.
        ready: called with the address once it answers.

    Returns:
        0, the exit code.

    Raises:
        ConfigError: a port that is taken or not allowed, or a `uri` that is a server itself.
        StudyError: nothing has been recorded in `runs` yet.
        SelectorError: the server did not start, or ended by itself.
    """
    if uri.startswith(("http:", "https:")):
        raise ConfigError(f"tracker.uri: {uri} is a server already; open it in a browser")
    if not uri and not (runs / "mlflow.db").is_file():
        raise StudyError(
            f"{runs}: nothing has been recorded yet (no mlflow.db there); run a study first:"
            " selector run quickstart, or choose another folder: --runs DIR"
        )
    _require_free(port)
    address = f"http://{HOST}:{port}"
    with _stopped_by_signals(), tempfile.TemporaryFile() as log:
        process = _start(uri or default_uri(runs), runs.absolute() / "artifacts", port, log)
        try:
            _wait_until_it_answers(process, port, log)
            if ready is not None:
                ready(address)
            process.wait()
            raise SelectorError(f"the MLflow server ended by itself: {_tail(log)}")
        except _Stop:
            return 0
        finally:
            _end(process)


def _require_free(port: int) -> None:
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port: expected 1 to 65535, got {port}")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        # A port whose last server has just ended is free, though its connections linger.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError as error:
            other = port + 1 if 1024 <= port < 65535 else 5001
            raise ConfigError(
                f"--port: cannot listen on {HOST}:{port} ({error.strerror});"
                f" choose another: selector ui --port {other}"
            ) from error


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into `_Stop`; further ones do not disturb the clean-up."""

    def stop(number: int, frame: FrameType | None) -> None:
        for ignored in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_IGN)
        raise _Stop

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _start(uri: str, artifacts: Path, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    leash = str(Path(__file__).with_name("leash.py"))
    command = [
        # -P: nothing in the current folder, nor our own mlflow.py, is taken for MLflow.
        *(sys.executable, "-P", leash, "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", uri, "--artifacts-destination", artifacts.as_uri()),
        *("--uvicorn-opts", "--log-level warning"),
    ]
    # No job runner: it starts further processes, and only evaluations of language models use it.
    environment = {
        **ENVIRONMENT,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **os.environ,
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=environment,
        start_new_session=True,
    )


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SelectorError(f"the MLflow server did not start: {_tail(log)}")
        connection = http.client.HTTPConnection(HOST, port, timeout=2)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # not yet
        finally:
            connection.close()
        time.sleep(_POLL_SECONDS)
    raise SelectorError(
        f"the MLflow server did not answer within {_SECONDS_TO_START:g} s: {_tail(log)}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server's whole process group, gently first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _SECONDS_TO_END
        try:
            os.killpg(process.pid, number)
            while time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)  # raises once nobody is left
                time.sleep(0.05)
        except ProcessLookupError:
            break
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _tail(log: IO[bytes]) -> str:
    """The last lines that the server wrote."""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-10:]) or "it wrote nothing"
