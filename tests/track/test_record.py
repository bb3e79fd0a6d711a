"""The record: what is written is read back, what is torn is dropped, one owner at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selector.errors import StudyError
from selector.track.lock import is_locked, study_lock
from selector.track.record import Record
from selector.track.run import Ended, Outcome, Result, Trial
from selector.track.store import FolderStore, MemoryStore
from tests.contracts.record import RecordContract
from tests.report.build import config


class TestMemory(RecordContract):
    @pytest.fixture
    def store(self, tmp_path):
        return MemoryStore()


class TestFolder(RecordContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FolderStore(tmp_path / "with space")

    @pytest.mark.parametrize("cut", range(1, 25, 4))
    def test_a_torn_last_line_is_dropped_and_mended(self, store, cut):
        record = Record(store)
        _, run = self.fill(record)
        record.report(run.key, 1, {"loss": 2.5})
        record.report(run.key, 2, {"loss": 2.25})
        path = store.path(f"{run.key}/metrics.jsonl")
        path.write_bytes(path.read_bytes()[:-cut])
        assert [row["step"] for row in record.curve(run.key)] == [1]
        record.report(run.key, 3, {"loss": 2.0})
        assert [row["step"] for row in record.curve(run.key)] == [1, 3]

    def test_no_temporary_file_stays(self, store):
        record = Record(store)
        self.fill(record)
        assert not list(store.root.rglob("*.tmp")) + list(store.root.rglob(".*"))

    @pytest.mark.parametrize("name", ["study.yaml", "decisions.jsonl", "trials/*/trial.yaml"])
    def test_damage_that_cannot_be_mended_says_what_to_do(self, store, name):
        record = Record(store)
        record.write_study({"name": "x"})
        self.fill(record)
        record.decide({"kind": "stop", "arm": "sgd"})
        (path,) = store.root.glob(name)
        path.write_text(path.read_text().replace(":", ": ", 1))
        said = f"{path.name}: is damaged: .*; put it back from a copy"

        def opened() -> None:
            again = Record(store, on_damage=lambda text: None)
            again.study()
            again.decisions()

        with pytest.raises(StudyError, match=said):
            opened()

    def test_files_carry_their_format(self, store):
        record = Record(store)
        record.write_study({"name": "x"})
        _, run = self.fill(record)
        record.finish(run.key, Result(
            outcome=Outcome.LOST, value=None, metrics={}, steps=0, seconds=0, error="", facts={},
        ))  # fmt: skip
        for path in store.root.rglob("*"):
            if path.suffix == ".json":
                assert json.loads(path.read_text())["format"] == 1
            elif path.suffix == ".yaml":
                assert path.read_text().startswith("format: 1\n")

    def test_another_format_is_refused(self, store):
        record = Record(store)
        trial, _ = self.fill(record)
        path = store.path(f"trials/{trial.folder}/trial.yaml")
        path.write_text(path.read_text().replace("format: 1", "format: 2"))
        with pytest.raises(StudyError, match=r"expected a file of format 1, got 2"):
            Record(store)

    def test_a_damaged_file_is_named(self, store):
        record = Record(store)
        _, run = self.fill(record)
        store.path(f"{run.key}/result.json").write_text("{")
        with pytest.raises(StudyError, match=r"result\.json: is damaged"):
            Record(store)


def test_a_second_controller_is_refused_with_the_owner(tmp_path):
    with study_lock(tmp_path / "s"):
        assert is_locked(tmp_path / "s")
        code = (
            "from pathlib import Path\n"
            "from selector.track.lock import study_lock\n"
            f"with study_lock(Path({str(tmp_path / 's')!r})): pass\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
        )
        assert f"being run by process {os.getpid()} on" in done.stderr
    assert not is_locked(tmp_path / "s")


def test_the_lock_ends_with_its_process(tmp_path):
    code = (
        "import time\nfrom pathlib import Path\n"
        "from selector.track.lock import study_lock\n"
        f"with study_lock(Path({str(tmp_path)!r})):\n    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert is_locked(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 5
    while is_locked(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    with study_lock(tmp_path):
        pass


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StudyError, match="cannot be written to"),
        study_lock(tmp_path / "file" / "s"),
    ):
        pass


def test_ended_has_what_result_needs():
    assert set(vars(Ended(outcome=Outcome.LOST))) < set(Result.__dataclass_fields__)


def test_folders_are_below_their_study(tmp_path):
    trial = Trial(
        number=7, arm="../../x", sub_search=0, index=0, values={}, config=config()
    )  # fmt: skip
    record = Record(FolderStore(tmp_path))
    path = Path(record.run_key(trial, "explore", 1))
    assert not path.is_absolute()
    assert ".." not in path.parts
