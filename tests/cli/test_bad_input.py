"""Wrong input: exit 2, every mistake named at once, no traceback, nothing half-written."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from selector.cli import main


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; returns (exit code, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        try:
            code = main(arguments)
        except SystemExit as error:
            code = int(error.code or 0)
        return code, capsys.readouterr().err

    return run


def written(folder):
    """What lies in the runs folder besides prepared data sets."""
    return [path for path in folder.glob("runs/*") if path.name != "_data"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nope"], "unknown study 'nope'; known: "),
        (["./nope.yaml"], "./nope.yaml: no such study file"),
        (["quickstart", "optimizer=nope"], "optimizer: unknown option 'nope'"),
        (["quickstart", "optimizer=adamw,nope"], "optimizer: unknown option 'nope'"),
        (["quickstart", "optimizer.nope=1"], "no such key"),
        (["quickstart", "optimizer.lr=interval(1,0.1)"], "expected low below high"),
        (["quickstart", "optimizer.lr=nan"], "got nan"),
        (["quickstart", "budget.tokens=5"], "expected at least one step (1024 tokens), got 5"),
        (["quickstart", "budget.epochs=1e-9"], "budget.epochs: expected at least one step"),
        (["quickstart", "budget.tokens=1e5", "budget.epochs=1"], "expected one length of a run"),
        (["quickstart", "budget.rungs=always", "batch.micro_batch=8,16"], "batch.micro_batch is"),
        (["quickstart", "fair=money"], "fair: expected tokens or flops or seconds"),
        (["quickstart", "name=../escape"], "name: expected letters, digits"),
        (["quickstart", "name=_single"], "name: expected letters, digits"),
        (["quickstart", "name=artifacts"], "name: expected letters, digits"),
        (["quickstart", "data=text", "data.paths=[missing.txt]"], "missing.txt"),
        (["quickstart", "data=text", "data.paths=[empty.txt]"], "empty"),
        (["quickstart", "data=text", "data.paths=[binary.txt]"], "binary.txt"),
        (["quickstart", "data=text", "data.paths=[latin.txt]"], "latin.txt"),
        (["quickstart", "data=text", "data.paths=[short.txt]"], "short"),
        (["quickstart", "data=text", "data.paths=[folder]"], "folder"),
        (["quickstart", "batch.context=9000000", "budget.tokens=2e8"], "context"),
    ],
)
def test_study_commands(call, tmp_path, arguments, expected):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(b"abc\0def" * 100)
    (tmp_path / "latin.txt").write_bytes("größe ".encode("latin-1") * 1000)
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "folder").mkdir()
    code, err = call("run", *arguments)
    assert code == 2
    assert expected in err
    assert written(tmp_path) == []


def test_plan_refuses_what_run_refuses(call, tmp_path):
    code, err = call("plan", "quickstart", "data=text", "data.paths=[missing.txt]")
    assert (code, "missing.txt" in err) == (2, True)


def test_mistakes_about_lengths_are_listed_at_once(call, tmp_path):
    code, err = call(
        "plan", "quickstart", "budget.tokens=5", "model=pico,nano", "budget.rungs=always"
    )
    assert code == 2
    assert "budget.tokens: expected at least one step" in err
    assert "budget.rungs: expected never or auto, got always: model is compared" in err
    assert not (tmp_path / "runs").exists()


def test_several_mistakes_are_listed_at_once(call, tmp_path):
    paths = "data.paths=[missing.txt,also_missing.txt]"
    code, err = call("run", "quickstart", "data=text", paths)
    assert code == 2
    assert "missing.txt" in err
    assert "also_missing.txt" in err
    code, err = call("plan", "quickstart", "budget.trials=x", "optimizer.lr=-1", "batch.context=0")
    assert [code, err.count("\nselector: ")] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Which model size"),
        (["runn"], "unknown command 'runn'; known: plan, run, status, stop, resume"),
        (["plann", "quickstart"], "did you mean 'plan'?"),
        (["report", "nope"], "unknown study 'nope'; known: none"),
        (["rerun", "nope"], "unknown study 'nope'"),
        (["status", "nope"], "unknown study 'nope'"),
        (["report", "../nope"], "No such file"),
        (["list", "optimisers"], "unknown axis 'optimisers'; known: model, optimizer"),
        (["train", "nope.yaml"], "nope.yaml: no such file"),
        (["train", "optimizer=adamw,muon"], "one run has one value"),
        (["train", "name=x"], "unknown key 'name'"),
        (["train", "budget.tokens=9", "budget.epochs=1"], "expected one length of a run"),
        (["train", "budget.flops=9", "budget.trials=2"], "budget.trials: has no effect on one"),
        (["train", "model=pico", "budget.flops=9"], "budget.flops: expected at least one step"),
        (["ui"], "nothing has been recorded"),
        (["run"], "the following arguments are required: STUDY"),
        (["rerun", "x", "--trial", "first"], "invalid int value"),
    ],
)
def test_other_commands(call, tmp_path, capsys, arguments, expected):
    try:
        code = main(arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    captured = capsys.readouterr()
    assert code == 2
    assert expected in captured.err + captured.out
    assert written(tmp_path) == []


def test_a_file_that_is_no_recommendation(call, tmp_path):
    (tmp_path / "x.yaml").write_text("a: 1\n")
    code, err = call("train", "x.yaml")
    assert code == 2
    assert "expected a recommended.yaml; it lacks model, optimizer" in err


def test_a_port_that_is_taken(call, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, err = call("ui", "--port", str(port))
    assert code == 2
    assert str(port) in err
    assert "--port" in err


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a second user")
def test_a_runs_folder_that_is_not_writable(tmp_path):
    """As another user, because root may write everywhere; or where the disk says no."""
    (tmp_path / "runs").write_text("a file where the folder should be")
    code = "import sys; from selector.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "quickstart", "budget=smoke"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_before_the_command_is_read_ends_as_any_other(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    # Other tests import the module anew: `main` takes it from here.
    monkeypatch.setitem(sys.modules, "selector.cli.parser", SimpleNamespace(parse=interrupted))
    try:
        code = main(["status"])
    except KeyboardInterrupt:  # would end all of pytest
        pytest.fail("a traceback")
    assert code == 130
    assert "interrupted" in capsys.readouterr().err
