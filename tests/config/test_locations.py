"""Studies by name: of the current folder before the shipped, sub-folders included."""

from __future__ import annotations

from pathlib import Path

import pytest

from selector.config.locations import study_file, study_names
from selector.errors import ConfigError


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "mine" / "objective").mkdir(parents=True)
    return tmp_path / "studies"


def test_sub_folders_are_looked_into_and_options_beside_studies_are_none(studies: Path):
    for name in ("first.yaml", "mine/second.yaml", "mine/objective/third.yaml"):
        (studies / name).write_text("")
    found = study_names()
    assert found["first"] == studies / "first.yaml"
    assert study_file("second") == studies / "mine" / "second.yaml"
    assert "third" not in found
    assert {"quickstart", "lr_scheduling"} <= set(found)


def test_the_current_folder_s_study_comes_before_a_shipped_one(studies: Path):
    (studies / "mine" / "quickstart.yaml").write_text("")
    assert study_file("quickstart") == studies / "mine" / "quickstart.yaml"


def test_two_studies_of_one_name_are_refused(studies: Path):
    for name in ("first.yaml", "mine/first.yaml"):
        (studies / name).write_text("")
    with pytest.raises(ConfigError, match="has the same name; rename one of them"):
        study_names()
