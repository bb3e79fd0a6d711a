from __future__ import annotations

import logging
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from selector.config.schema import Track
from selector.errors import ConfigError
from selector.study.imports import from_mlflow
from selector.track import make_tracker
from selector.track.database import default_uri
from selector.track.run import Outcome
from tests.contracts.tracker import assert_none_holds_its_caller
from tests.track.examples import Told, result, run
from tests.track.ports import Away, closed_port, silent_port
from tests.track.stored import Stored


def test_a_study_is_an_experiment_an_arm_a_parent_and_a_run_a_child(stored: Stored) -> None:
    told = stored.told("tree")
    for key, arm in (("1/a", "sgd"), ("2/a", "sgd"), ("3/a", "adamw")):
        told.whole(key, range(2), arm)
    assert told.tracker.close(30) == ""
    arms, runs = stored.found("tree", "arm"), stored.found("tree")
    assert {(key, arm.info.run_name, arm.info.status) for key, arm in arms.items()} == {
        ("sgd", "sgd", "FINISHED"),
        ("adamw", "adamw", "FINISHED"),
    }
    parents = {key: child.data.tags["mlflow.parentRunId"] for key, child in runs.items()}
    sgd, adamw = arms["sgd"].info.run_id, arms["adamw"].info.run_id
    assert parents == {"1/a": sgd, "2/a": sgd, "3/a": adamw}


def test_a_run_has_its_parameters_labels_value_and_facts(stored: Stored) -> None:
    told = stored.told("labels")
    told.whole("a", range(2))
    assert told.tracker.close(30) == ""
    (mirrored,) = stored.found("labels").values()
    assert mirrored.info.run_name == "sgd · trial 3 · explore seed 1000"
    assert mirrored.info.status == "FINISHED"
    parameters = mirrored.data.params
    assert parameters["optimizer.lr"] == "0.1"
    assert parameters["optimizer.betas"] == "[0.9, 0.99]"
    assert parameters["tokens"] == "2048"
    assert mirrored.data.metrics["value"] == 2.5
    expected = {
        "study": "labels",
        "arm": "sgd",
        "trial": "3",
        "sub_search": "0",
        "stage": "explore",
        "seed": "1000",
        "outcome": "complete",
        "facts.versions.python": "3.11",
        "run_fingerprint": run("a").fingerprint,
    }
    assert (
        expected.items()
        <= {
            key.removeprefix("selector."): value for key, value in mirrored.data.tags.items()
        }.items()
    )


def test_told_again_after_a_restart_everything_is_there_once(stored: Stored) -> None:
    first = stored.told("restart")
    for key in ("a", "b"):
        first.whole(key, range(10))
    first.started("c")
    first.reported("c", 0, {"loss": 1.0})
    assert first.tracker.close(30) == ""
    before = stored.found("restart")
    second = stored.told("restart")
    for key in ("a", "b", "c"):
        second.whole(key, range(20))
    assert second.tracker.close(30) == ""
    after, arms = stored.found("restart"), stored.found("restart", "arm")
    assert list(arms) == ["sgd"]
    assert {key: found.info.run_id for key, found in after.items()} == {
        key: found.info.run_id for key, found in before.items()
    }
    assert {found.info.status for found in after.values()} == {"FINISHED"}
    expected = {("loss", step): 5.0 - step / 1000 for step in range(20)}
    expected |= {("tokens", step): float(step) for step in range(20)} | {("value", 64): 2.5}
    assert stored.history(after["a"]) == expected
    assert stored.history(after["c"]) == {**expected, ("loss", 0): 1.0}


@pytest.mark.slow
def test_every_value_of_long_runs_arrives(stored: Stored) -> None:
    told = stored.told("long")
    keys = ("a", "b", "c")
    for key in keys:
        told.started(key)
    for step in range(1500):
        for key in keys:
            told.reported(key, step, {"loss": step / 7, "accuracy": step / 1500})
    for key in keys:
        told.ended(key)
    assert told.tracker.close(30) == ""
    for found in stored.found("long").values():
        values = stored.history(found)
        assert len(values) == 2 * 1500 + 1
        assert values["loss", 1499] == 1499 / 7


def test_what_is_not_finite_is_a_tag_and_never_a_metric(stored: Stored) -> None:
    told = stored.told("not_finite")
    told.started("a")
    told.reported("a", 1, {"loss": 3.0, "norm": math.inf})
    told.reported("a", 2, {"loss": math.nan})
    told.ended("a", result(Outcome.DIVERGED, value=None, error="loss is nan"))
    assert told.tracker.close(30) == ""
    (mirrored,) = stored.found("not_finite").values()
    assert stored.history(mirrored) == {("loss", 1): 3.0}
    assert mirrored.info.status == "FAILED"
    assert mirrored.data.tags["selector.not_finite.norm"] == "inf at step 1"
    assert mirrored.data.tags["selector.not_finite.loss"] == "nan at step 2"
    assert mirrored.data.tags["selector.error"] == "loss is nan"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.STOPPED, "KILLED"), (Outcome.LOST, "KILLED"), (Outcome.CRASHED, "FAILED")],
)
def test_how_a_run_ended_is_its_status(stored: Stored, outcome: Outcome, status: str) -> None:
    told = stored.told(f"ends_{outcome}")
    told.started("a")
    told.ended("a", result(outcome, value=None))
    told.tracker.close(30)
    (mirrored,) = stored.found(f"ends_{outcome}").values()
    assert mirrored.info.status == status
    assert mirrored.data.tags["selector.outcome"] == outcome


def test_a_run_that_never_ended_is_killed_when_the_tracker_closes(stored: Stored) -> None:
    told = stored.told("cut_off")
    told.started("a")
    told.reported("a", 1, {"loss": 3.0})
    assert told.tracker.close(30) == ""
    (mirrored,) = stored.found("cut_off").values()
    assert mirrored.info.status == "KILLED"
    assert mirrored.data.tags["selector.outcome"] == "not over"


@pytest.mark.parametrize("study", ["<script>alert(1)</script>", "../../x", "😀 café", "x" * 600])
def test_odd_study_names_stay_inside_the_artifacts_folder(
    stored: Stored, folder: Path, study: str
) -> None:
    told = stored.told(study)
    told.whole("../../a", range(2), arm=study)
    told.tracker.artifacts(study, [folder / "index.html"])
    assert told.tracker.close(30) == ""
    experiments = stored.client.search_experiments()
    (experiment,) = [each for each in experiments if each.name[:490] == study[:490]]
    assert stored.found(experiment.name)["../../a"].data.metrics["loss"] == 4.999
    reports = list((stored.runs / "artifacts").glob("*/*/artifacts/index.html"))
    (report,) = stored.found(experiment.name, "study").values()
    assert report.info.run_id in {path.parts[-3] for path in reports}


def test_files_of_the_study_are_stored_once_and_replaced(stored: Stored, folder: Path) -> None:
    for words in ("first", "second"):
        (folder / "index.html").write_text(words)
        tracker = stored.tracker()
        tracker.artifacts("files", [folder / "index.html", folder / "recommended.yaml"])
        assert tracker.close(30) == ""
    (report,) = stored.found("files", "study").values()
    listed = stored.client.list_artifacts(report.info.run_id)
    assert [each.path for each in listed] == ["index.html", "recommended.yaml"]
    path = stored.client.download_artifacts(report.info.run_id, "index.html", str(folder))
    assert Path(path).read_text() == "second"


def test_an_experiment_deleted_in_the_ui_comes_back_with_its_study(stored: Stored) -> None:
    told = stored.told("deleted")
    told.whole("a", range(2))
    assert told.tracker.close(30) == ""
    experiment = stored.client.get_experiment_by_name("deleted")
    stored.client.delete_experiment(experiment.experiment_id)
    told = stored.told("deleted")
    told.whole("a", range(4))
    assert told.tracker.close(30) == ""
    (mirrored,) = stored.found("deleted").values()
    assert len(stored.history(mirrored)) == 2 * 4 + 1


def test_a_database_that_another_process_locks_for_a_while_gets_everything(stored: Stored) -> None:
    lock = sqlite3.connect(stored.runs / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    told = stored.told("locked")
    told.whole("a", range(10))
    time.sleep(0.5)
    lock.execute("ROLLBACK")
    lock.close()
    assert told.tracker.close(30) == ""
    assert len(stored.history(stored.found("locked")["a"])) == 2 * 10 + 1


@pytest.mark.parametrize("away", [closed_port, pytest.param(silent_port, marks=pytest.mark.slow)])
def test_a_server_that_is_away_holds_nobody(
    away: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with away() as port:
        monkeypatch.setenv("MY_SERVER", f"http://me:secret@127.0.0.1:{port}")
        holds_nobody(port, tmp_path)


def holds_nobody(port: int, tmp_path: Path) -> None:
    tracker = make_tracker(Track(uri_variable="MY_SERVER"), tmp_path)
    told = Told(tracker, tmp_path, "away")
    assert_none_holds_its_caller(
        call
        for key in map(str, range(20))
        for call in (
            partial(told.started, key),
            partial(told.reported, key, 1, {"loss": 1.0}),
            partial(told.ended, key),
        )
    )
    start = time.perf_counter()
    sentence = tracker.close(2)
    assert time.perf_counter() - start < 3
    assert sentence.startswith(f"MLflow (http://127.0.0.1:{port}) lacks 20 runs")
    assert sentence.endswith(
        "the trial folders hold everything: `selector sync away` completes it."
    )
    assert "secret" not in sentence


@pytest.mark.parametrize("name", ["runs", "my runs", "50%", "a%20b", "c#d", "é😀", "a@b:c"])
def test_the_default_store_is_inside_the_runs_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    engine = create_engine(default_uri(tmp_path / name))
    with engine.connect() as connection:
        connection.execute(text("create table made (one integer)"))
    engine.dispose()
    assert (tmp_path / name / "mlflow.db").is_file()


PROGRAM = """
import sys
contacted = []
sys.addaudithook(lambda event, args: contacted.append(args[1]) if event == "socket.connect" else 0)
from pathlib import Path
from selector.config.schema import Track
from selector.track import make_tracker
from tests.track.examples import Told
runs = Path("my runs")
tracker = make_tracker(Track(), runs)
assert "mlflow" not in sys.modules
Told(tracker, runs, "s").whole("a", range(2))
assert tracker.close(60) == ""
assert "mlflow" in sys.modules
assert not contacted, contacted
assert sorted(path.name for path in Path().iterdir()) == ["my runs"]
"""


@pytest.mark.slow
def test_a_first_store_is_made_without_a_word_a_contact_or_a_stray_file(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    tested = {
        "PYTEST_CURRENT_TEST",
        "CI",
        "GITHUB_ACTIONS",
    }  # they turn telemetry off by themselves
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}){PROGRAM}"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in tested},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_others_log_through_mlflow_is_still_heard(
    stored: Stored, capfd: pytest.CaptureFixture[str]
) -> None:
    told = stored.told("heard")
    told.whole("a", range(2))
    logging.getLogger("mlflow").warning("mine")
    assert told.tracker.close(30) == ""
    thread = threading.Thread(target=logging.getLogger("mlflow").warning, args=("later",))
    thread.start()
    thread.join()
    heard = capfd.readouterr().err
    assert "mine" in heard
    assert "later" in heard


def test_finished_runs_of_an_experiment_are_read_for_imports(stored: Stored) -> None:
    told = stored.told("earlier")
    for key in ("1/a", "2/a"):
        told.whole(key, range(3))
    told.started("3/a")  # never over
    assert told.tracker.close(30) == ""
    done = from_mlflow("old", stored.uri, "earlier", "loss", {"optimizer.lr": "optimizer.lr"})
    assert [(dict(row.values), row.value) for row in done.observations.rows] == [
        ({"optimizer.lr": 0.1}, 4.998)
    ] * 2
    every = from_mlflow("old", stored.uri, "earlier", "loss", {}).observations.rows[0]
    assert every.tokens == 2048
    assert every.values["optimizer.betas"] == (0.9, 0.99)
    with pytest.raises(ConfigError, match=r"unknown experiment 'later'; known: .*earlier"):
        from_mlflow("old", stored.uri, "later", "loss", {})
    with pytest.raises(ConfigError, match=r"unknown metric 'lost'; known: .*loss"):
        from_mlflow("old", stored.uri, "earlier", "lost", {})
