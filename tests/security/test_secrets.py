"""A canary secret is in no output (S6, P10), and nothing talks to the network (S7, S9, P10)."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.conftest import ROOT

#: With every kind of character that quoting changes.
CANARY = "hunter2-canary/\"'+=&é"
STUDY = """\
defaults: [selector_study, override objective: mine, {tracker}_self_]
name: mine
compare: {{objective.parameters.kind: [a, b]}}
set: {{budget.tokens: 100, budget.trials: 2, budget.replicates: 2, budget.verdict_seeds: 1}}
"""
OBJECTIVE = """\
defaults: [function, _self_]
name: mine
function: "mine:train"
parameters: {kind: a, x: 0.5, max_tokens: 7, token: byte, num_memory_tokens: 4}
space: {parameters.x: {low: 0.0, high: 1.0}}
"""
FUNCTION = """\
import os
from urllib.parse import quote


def train(config, run):
    canary, settings = os.environ["A_CANARY_TOKEN"], config.objective.parameters
    if run.seed == 1000 and run.stage == "explore" and settings["kind"] == "a":
        raise RuntimeError(
            f"401 for {canary} {canary!r} {quote(canary, safe='')}"
            f" at https://me:{quote(canary, safe='')}@host (max_tokens={settings['max_tokens']})"
        )
    run.report(1, loss=(settings["x"] - 0.5) ** 2 + (settings["kind"] == "b"))
    print("the log is the function's own:", canary)
"""
#: Loaded by every process of the command: writes down what its sockets do but among processes.
RECORDER = """\
import os, socket, sys

def _note(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
        own = arguments[0] if arguments else None
        if getattr(own, "family", None) == socket.AF_UNIX:
            return
        with open(os.environ["SOCKETS"], "a") as file:
            file.write(f"{event} {arguments[1:] if len(arguments) > 1 else arguments}\\n")

sys.addaudithook(_note)
with open(os.environ["SOCKETS"] + ".processes", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""


def run(folder: Path, tracker: str, *overrides: str, **environment: str) -> str:
    """Run the study; returns what it printed."""
    (folder / "objective").mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY.format(tracker=tracker))
    (folder / "objective" / "mine.yaml").write_text(OBJECTIVE)
    (folder / "mine.py").write_text(FUNCTION)
    (folder / "recorder").mkdir()
    (folder / "recorder" / "sitecustomize.py").write_text(RECORDER)
    path = os.pathsep.join([str(folder / "recorder"), str(ROOT)])
    own = {"PYTHONPATH": path, "A_CANARY_TOKEN": CANARY, "SOCKETS": str(folder / "sockets")}
    done = subprocess.run(
        [sys.executable, "-m", "selector.cli", "run", "./study.yaml", *overrides],
        cwd=folder,
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def leaks(folder: Path) -> list[str]:
    """Files that hold the canary, however it is written."""
    forms = [
        CANARY.encode(), quote(CANARY, safe="").encode(), repr(CANARY)[1:-1].encode(),
        base64.b64encode(CANARY.encode()), b"hunter2-canary",
    ]  # fmt: skip
    return [
        path.relative_to(folder).as_posix()
        for root in ("runs", "reports")
        for path in sorted((folder / root).rglob("*"))
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]


@pytest.mark.slow
def test_no_output_holds_a_secret_and_no_socket_is_opened(tmp_path: Path) -> None:
    """With real workers and a real MLflow store, all by default."""
    printed = run(
        tmp_path, "", MLFLOW_TRACKING_PASSWORD=CANARY, MLFLOW_TRACKING_TOKEN=CANARY,
        MLFLOW_TRACKING_USERNAME="me",
    )  # fmt: skip
    assert "hunter2" not in printed
    logs = [path for path in leaks(tmp_path) if path.endswith("/log.txt")]
    assert leaks(tmp_path) == logs
    assert logs  # what a function prints is its own
    errors = [
        path for path in (tmp_path / "runs").rglob("result.json") if "401 for" in path.read_text()
    ]
    assert errors  # the canary was thrown, and what is no secret is still there
    assert all("max_tokens=7" in path.read_text() for path in errors)
    stored = (tmp_path / "runs" / "mine" / "study.yaml").read_text()
    assert re.search(r"max_tokens: 7\b", stored)
    assert "token: byte" in stored
    assert "num_memory_tokens: 4" in stored
    processes = (tmp_path / "sockets.processes").read_text().split()
    assert len(set(processes)) >= 2  # the controller and the one that forks workers
    sockets = tmp_path / "sockets"
    seen = sockets.read_text().splitlines() if sockets.exists() else []
    # urllib3 asks the kernel, when it is imported, whether it has IPv6: nobody listens there.
    assert set(seen) <= {"socket.bind (('::1', 0),)"}


@pytest.mark.slow
def test_a_database_with_a_password_leaves_no_trace_of_it(tmp_path: Path) -> None:
    """Nobody listens there: what is said of that must not hold the address."""
    address = f"postgresql://me:{quote(CANARY, safe='')}@127.0.0.1:9/db"
    printed = run(tmp_path, "", "tracker.uri_variable=MY_STORE", MY_STORE=address)
    assert "hunter2" not in printed
    assert [path for path in leaks(tmp_path) if not path.endswith("/log.txt")] == []
    assert "uri_variable: MY_STORE" in (tmp_path / "runs" / "mine" / "study.yaml").read_text()


def test_telemetry_is_off_wherever_mlflow_is_loaded() -> None:
    from selector.track.mlflow import ENVIRONMENT

    assert ENVIRONMENT["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert ENVIRONMENT["DO_NOT_TRACK"] == "true"
    assert ENVIRONMENT["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "False"
