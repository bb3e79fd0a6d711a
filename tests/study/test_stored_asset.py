"""A study that an earlier state of the code has stored opens still; one of another format says so.

tests/assets/stored was made by `selector run` (format 1, a function as objective, 4 trials). Where
it can no longer be read, either the change is a mistake or the format needs a new number: then make
the asset anew, and say in CHANGELOG.md that earlier studies are not read any more.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from selector.errors import StudyError
from selector.study.answer import answer
from selector.study.stored import StoredStudy, open_study
from selector.track.run import Stage

ASSETS = Path(__file__).parent.parent / "assets"


def test_a_stored_study_opens_later():
    stored = open_study("stored", ASSETS)
    assert [arm.name for arm in stored.study.arms] == ["kind=a", "kind=b"]
    assert sorted(stored.record.trials) == [1, 2, 3, 4]
    stages = [item.run.stage for item in stored.record.runs() if item.result is not None]
    assert len(stages) == 12
    assert stages.count(Stage.VERDICT) == 8
    assert all(len(stored.record.curve(item.run.key)) == 3 for item in stored.record.runs())


def test_its_answer_is_still_the_same():
    stored = open_study("stored", ASSETS)
    found = answer(stored.study, stored.record)
    assert found.complete
    assert min(found.searches.arms, key=lambda name: _mean(stored, name)) == "kind=a"


def test_the_runs_keep_their_fingerprints():
    # They name the same configuration for ever: take-over and the tracker rest on them.
    stored = open_study("stored", ASSETS)
    folders = {path.name for path in (ASSETS / "stored/trials").iterdir()}
    assert {trial.folder for trial in stored.record.trials.values()} == folders


def test_one_of_another_format_says_what_to_do(tmp_path):
    shutil.copytree(ASSETS / "stored", tmp_path / "stored")
    path = tmp_path / "stored/study.yaml"
    path.write_text(path.read_text().replace("format: 1", "format: 2", 1))
    with pytest.raises(StudyError, match=r"study.yaml: expected a file of format 1, got 2.*other"):
        open_study("stored", tmp_path)


def _mean(stored: StoredStudy, arm: str) -> float:
    values = [
        item.result.value
        for item in stored.record.runs(Stage.VERDICT)
        if item.trial is not None and item.trial.arm == arm and item.result is not None
    ]
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers)
