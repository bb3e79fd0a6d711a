from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from selector.errors import Interrupted, SelectorError, StudyError
from selector.track.lock import study_lock
from selector.track.mlflow import MlflowStore
from selector.track.record import Record
from selector.track.run import Outcome, Result, Run, Trial
from selector.track.run import Told as SamplerTold
from selector.track.store import FolderStore
from selector.track.sync import Synced, sync
from selector.track.tracker import Origin, Tracker
from tests.track.examples import config, result
from tests.track.ports import Away, closed_port, silent_port
from tests.track.stored import Stored

ARMS = ["sgd", "adamw"]


def over(number: int, outcome: Outcome = Outcome.COMPLETE) -> Result:
    value = float(number) if outcome is Outcome.COMPLETE else None
    told = SamplerTold(state="complete", value=float(number), constraint=-1.0)
    return replace(result(outcome, value=value), seconds=float(number), told=told)


class Study:
    """A recorded study, which a tracker may be told of as it goes."""

    def __init__(self, stored: Stored, name: str, tracker: Tracker | None = None) -> None:
        self.stored = stored
        self.name = name
        self.tracker = tracker
        self.record = Record(FolderStore(stored.runs / name))

    def trial(self, number: int) -> Trial:
        arm = ARMS[number % 2]
        trial = Trial(
            number=number,
            arm=arm,
            sub_search=0,
            index=number,
            values={"optimizer.lr": number / 10},
            config=config(number / 10),
        )
        self.record.add_trial(trial)
        return trial

    def run(self, number: int, steps: int, ending: Result | None) -> str:
        """An explore run of a new trial."""
        trial = self.trial(number)
        return self.ask(
            self.record.run_key(trial, "explore", 1000), "explore", trial, steps, ending
        )

    def ask(
        self,
        key: str,
        stage: str,
        trial: Trial,
        steps: int,
        ending: Result | None,
        *,
        own: bool = False,
    ) -> str:
        asked = Run(key=key, config=trial.config, stage=stage, seed=1000, tokens=2048)
        run = self.record.ask(asked, None if own else trial)
        if self.tracker:
            self.tracker.started(run, Origin(study=self.name, arm=trial.arm, trial=trial))
        for step in range(steps):
            self.record.report(key, step, {"loss": 5.0 - step, "lr": 0.1})
            if self.tracker:
                self.tracker.reported(key, step, {"loss": 5.0 - step, "lr": 0.1})
        if ending:
            self.record.finish(key, ending)
            if self.tracker:
                self.tracker.ended(key, ending)
        return key

    def sync(self, store: MlflowStore | None = None, **options: Any) -> Synced:
        """As another process does it: from what is on the disk."""
        record = Record(FolderStore(self.stored.runs / self.name))
        store = store or self.stored.store()
        return sync(self.name, record, ARMS, self.stored.runs, store, **options)

    def content(self) -> list[tuple[object, ...]]:
        """Every row of the database that is about the study."""
        identifier = self.stored.client.get_experiment_by_name(self.name).experiment_id
        with sqlite3.connect(self.stored.runs / "mlflow.db") as connection:
            runs = connection.execute(
                "select run_uuid, name, status, start_time, end_time, lifecycle_stage from runs"
                " where experiment_id = ? order by run_uuid",
                (identifier,),
            ).fetchall()
            of = f"run_uuid in ({', '.join(repr(run[0]) for run in runs)})"
            columns = {"tags": "key, value", "params": "key, value",
                       "metrics": "key, step, timestamp, value"}  # fmt: skip
            return runs + [
                row
                for table, names in columns.items()
                for row in connection.execute(
                    f"select run_uuid, {names} from {table} where {of} order by run_uuid, {names}"
                )
            ]


@pytest.fixture
def study(stored: Stored, request: pytest.FixtureRequest) -> Study:
    """A study of its own for each test, with runs of every kind and none in MLflow."""
    study = Study(stored, request.node.name.partition("[")[0][:60])
    for number in range(1, 5):
        study.run(number, steps=3, ending=over(number))
    study.run(5, steps=1, ending=over(5, Outcome.DIVERGED))
    study.run(6, steps=2, ending=None)
    first = study.record.trials[1]
    study.ask("reruns/00001", "rerun", first, 3, over(7), own=True)
    study.ask("pilots/00002", "pilot", first, 1, over(8), own=True)
    return study


def test_everything_is_there_once_and_a_second_time_changes_nothing(
    study: Study, folder: Path
) -> None:
    files = [folder / "index.html", folder / "recommended.yaml"]
    done = study.sync(files=files)
    assert (done.runs, done.created, done.completed, done.unchanged) == (8, 8, 0, 0)
    runs = study.stored.found(study.name)
    assert sorted(runs) == sorted(stored.run.key for stored in study.record.runs())
    assert [runs[key].info.status for key in sorted(runs)] == [
        *("FINISHED", "FINISHED", "FINISHED", "FINISHED", "FINISHED", "FINISHED"),
        *("FAILED", "KILLED"),
    ]
    arms = study.stored.found(study.name, "arm")
    assert {key: run.info.status for key, run in arms.items()} == dict.fromkeys(ARMS, "FINISHED")
    rerun, pilot = runs["reruns/00001"], runs["pilots/00002"]
    assert rerun.data.tags["selector.trial"] == "1"
    assert rerun.data.tags["mlflow.parentRunId"] == arms["adamw"].info.run_id
    assert pilot.data.tags["selector.arm"] == "adamw"
    assert pilot.data.params["optimizer.lr"] == "0.1"
    values = study.stored.history(rerun)
    assert values == {("loss", s): 5.0 - s for s in range(3)} | {
        ("lr", s): 0.1 for s in range(3)
    } | {("value", 64): 7.0}
    before = study.content()
    again = study.sync(files=files)
    assert (again.created, again.completed, again.unchanged) == (0, 0, 8)
    assert study.content() == before


def test_what_a_tracker_showed_is_unchanged(stored: Stored) -> None:
    tracker = stored.tracker()
    study = Study(stored, "tracked", tracker)
    for number in range(1, 4):
        study.run(number, steps=2, ending=over(number))
    assert tracker.close(30) == ""
    before = study.content()
    assert study.sync().unchanged == 3
    assert study.content() == before


def test_what_is_there_partly_is_completed(study: Study) -> None:
    study.sync()
    expected = {
        key: study.stored.history(run) for key, run in study.stored.found(study.name).items()
    }
    client, runs = study.stored.client, study.stored.found(study.name)
    keys = sorted(key for key in runs if key.startswith("trials/"))
    torn, gone, unlabelled, copied = (runs[key].info for key in keys[:4])
    client.update_run(torn.run_id, status="RUNNING")  # a controller was killed
    with sqlite3.connect(study.stored.runs / "mlflow.db") as connection:
        connection.execute("delete from metrics where run_uuid = ? and step > 0", (torn.run_id,))
        connection.execute("delete from params where run_uuid = ?", (torn.run_id,))
    client.delete_run(gone.run_id)
    client.delete_tag(unlabelled.run_id, "selector.mirrored")
    copy = client.create_run(copied.experiment_id, tags=dict(runs[keys[3]].data.tags))
    done = study.sync()
    assert (done.created, done.completed, done.unchanged, done.removed) == (1, 2, 5, 1)
    after = study.stored.found(study.name)
    assert {key: study.stored.history(run) for key, run in after.items()} == expected
    assert after[keys[0]].data.params == runs[keys[0]].data.params
    assert after[keys[0]].info.status == "FINISHED"
    assert client.get_run(copy.info.run_id).info.lifecycle_stage == "deleted"
    assert study.sync().unchanged == 8


def test_a_run_that_is_not_over_runs_while_somebody_holds_the_lock(study: Study) -> None:
    key = "trials/00006-"

    def status() -> str:
        (run,) = (run for k, run in study.stored.found(study.name).items() if k.startswith(key))
        return str(run.info.status)

    with study_lock(study.stored.runs / study.name):
        assert study.sync().created == 8
        assert status() == "RUNNING"
        assert study.sync().unchanged == 8
        assert status() == "RUNNING"
    done = study.sync()
    assert (done.completed, done.unchanged) == (1, 7)
    assert status() == "KILLED"


@pytest.mark.slow
def test_another_store_gets_everything_too(study: Study, tmp_path: Path) -> None:
    study.sync()
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    other = Stored(tmp_path)
    other.uri = uri
    done = study.sync(MlflowStore(uri, tmp_path / "artifacts"))
    assert done.created == 8
    other.client = MlflowClient(uri)
    assert sorted(other.found(study.name)) == sorted(study.stored.found(study.name))


def test_a_run_that_is_damaged_does_not_hold_up_the_others(study: Study) -> None:
    bad = next(study.record.runs()).run
    assert bad.folder
    rows = bad.folder / "metrics.jsonl"
    whole = rows.read_text()
    for damaged, created in (("{broken\n", 7), (whole.replace("1", "2"), 0)):
        rows.write_text(damaged)
        done = study.sync()
        assert done.created == created
        assert [line.partition(":")[0] for line in done.refused] == [bad.key]
        assert "is damaged" in done.refused[0]
    rows.write_text(whole)
    assert (study.sync().created, study.sync().unchanged) == (1, 8)


@pytest.mark.parametrize("away", [closed_port, silent_port])
def test_a_server_that_is_away_is_one_sentence_within_seconds(
    away: Away, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    start = time.monotonic()
    with (
        away() as port,
        pytest.raises(SelectorError, match=r"does not answer: .*--uri") as raised,
    ):
        study.sync(MlflowStore(f"http://me:secret@127.0.0.1:{port}", Path("artifacts")))
    assert time.monotonic() - start < 3
    assert raised.value.exit_code == 1
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_that_is_none_is_said_to_be_replaceable(study: Study, tmp_path: Path) -> None:
    (tmp_path / "none.db").write_bytes(b"no database" * 1000)
    said = r"cannot be used: file is not a database; .*move the file away"
    with pytest.raises(SelectorError, match=said):
        study.sync(MlflowStore(f"sqlite:///{tmp_path / 'none.db'}", tmp_path))


def test_it_waits_for_no_command_that_delivers_now(study: Study) -> None:
    tracker = study.stored.tracker()
    study.tracker = tracker
    study.run(7, steps=1, ending=over(7))
    wait_until(lambda: list((study.stored.runs / study.name).glob("mirror-*")) != [])
    with pytest.raises(StudyError, match="another command delivers to this mirror now"):
        study.sync()
    assert tracker.close(30) == ""
    assert study.sync().created == 8


def test_an_interrupted_one_goes_on(study: Study) -> None:
    counts: list[tuple[int, int]] = []
    with pytest.raises(Interrupted) as raised:
        study.sync(
            on_progress=lambda done, total: counts.append((done, total)),
            interrupted=lambda: 2 if len(counts) == 3 else 0,
        )
    assert raised.value.exit_code == 130
    assert counts == [(1, 8), (2, 8), (3, 8)]
    done = study.sync()
    assert (done.created, done.unchanged) == (5, 3)


def test_one_that_is_interrupted_while_a_server_is_silent_says_so(study: Study) -> None:
    with closed_port() as port:
        store = MlflowStore(f"http://127.0.0.1:{port}", Path("artifacts"))
        with pytest.raises(Interrupted) as raised:
            study.sync(store, interrupted=lambda: 15)
    assert raised.value.exit_code == 143


def test_the_next_command_completes_what_a_killed_one_did_not_deliver(study: Study) -> None:
    study.sync()
    study.run(7, steps=2, ending=over(7))  # over, and nobody told MLflow
    shown = []
    tracker = study.stored.tracker()
    show = tracker._mirror.show  # type: ignore[attr-defined]
    tracker._mirror.show = lambda entry: (shown.append(entry.run.key), show(entry))  # type: ignore[attr-defined]
    tracker.earlier(study.name, study.record.runs(), ARMS)
    assert tracker.close(30) == ""
    assert len(shown) == 1  # the other runs are known: nobody asks MLflow about them
    assert set(study.stored.found(study.name)) == {s.run.key for s in study.record.runs()}
    assert study.sync().unchanged == 9


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
