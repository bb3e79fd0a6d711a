"""The checker says no: each rule is broken once, by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid

import pytest

from selector.track.record import Record
from selector.track.store import FolderStore
from tests.chaos.checker import conclusions, living, violations


@pytest.fixture
def study(plain, tmp_path):
    """A copy, to be broken."""
    return shutil.copytree(plain / "runs" / "tiny", tmp_path / "runs" / "tiny")


def test_a_study_without_a_fault_breaks_no_rule(study):
    assert violations(study) == []


def trial_gone(study):
    shutil.rmtree(sorted((study / "trials").iterdir())[0])


def number_twice(study):
    first = sorted((study / "trials").iterdir())[0]
    shutil.copytree(first, first.with_name("00009-abc"))


def result_gone(study):
    next(study.rglob("result.json")).unlink()


def never_asked(study):
    next(study.rglob("run.yaml")).unlink()


def renamed(study):
    run = next(study.rglob("run.yaml")).parent
    run.rename(run.with_name("explore-s77"))


def value_changed(study):
    path = next(study.rglob("result.json"))
    path.write_text(path.read_text().replace('"loss": ', '"loss": 1'))


def row_twice(study):
    path = next(study.rglob("metrics.jsonl"))
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")


def half_written(study):
    (next(study.rglob("result.json")).parent / ".result.json.12-34").write_text("{")


def bad_manifest(study):
    folder = study / "trials" / "checkpoint"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"x")
    content = {"file": "weights.safetensors", "bytes": 1, "sha256": "0" * 64}
    (folder / "manifest.json").write_text(json.dumps(content))


def decided_twice(study):
    record = Record(FolderStore(study))
    again = next(item for item in record.decisions() if item["decision"] == "finalist")
    record.decide({key: value for key, value in again.items() if key != "format"})


def finalist_of_another_value(study):
    record = Record(FolderStore(study))
    again = next(item for item in record.decisions() if item["decision"] == "finalist")
    record.decide({**again, "value": 0.5})


@pytest.mark.parametrize(
    ("planted", "word"),
    [
        (trial_gone, "trial numbers are"),
        (number_twice, "was tried 2 times"),
        (result_gone, "has no terminal state"),
        (never_asked, "was never asked"),
        (renamed, "holds the run"),
        (value_changed, "not the metrics of its result"),
        (row_twice, "each once"),
        (half_written, "was left behind"),
        (bad_manifest, "is not what it names"),
        (decided_twice, "decided 2 times"),
        (finalist_of_another_value, "the finalist"),
    ],
)
def test_a_broken_rule_is_named(study, planted, word):
    planted(study)
    found = violations(study)
    assert any(word in line for line in found), found


def test_a_living_process_is_found_by_its_mark():
    mark = f"SELECTOR_CHAOS={uuid.uuid4().hex}"
    variable, _, value = mark.partition("=")
    assert living(mark) == []
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
        env={**os.environ, variable: value},
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        assert [number for number, _ in living(mark)] == [process.pid]
        process.kill()


def test_only_times_are_left_out_of_conclusions(plain, tmp_path):
    said = plain / "reports" / "tiny" / "recommendation.json"
    other = tmp_path / "recommendation.json"
    content = json.loads(said.read_text())
    other.write_text(json.dumps({**content, "seconds": 7}))
    assert conclusions(other) == conclusions(said)
    content["arms"][0]["mean"] += 1e-9
    other.write_text(json.dumps(content))
    assert conclusions(other) != conclusions(said)
