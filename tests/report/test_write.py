from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pandas
import pytest

from selector.errors import ConfigError
from selector.report.results import results
from selector.report.write import write_report
from selector.space.dimension import Choices
from selector.study.stored import open_study
from selector.track.run import Outcome
from selector.track.store import FolderStore
from tests.report.build import ADAMW, MUON, SGD, Builder, Surface, finished, study


def test_everything_is_written_whole_and_nothing_else(tmp_path: Path) -> None:
    paths = write_report(finished(ADAMW, MUON).stored(), tmp_path)
    names = sorted(path.name for path in (tmp_path / "optimizers").iterdir())
    assert names == [
        "curves.csv", "index.html", "recommendation.json", "recommended.yaml", "trials.csv",
    ]  # fmt: skip
    assert sorted(path.name for path in paths.files) == names
    assert json.loads(paths.recommendation_file.read_text()) == paths.recommendation
    assert paths.sentence.startswith("Train with muon")


def test_the_same_store_gives_the_same_bytes(tmp_path: Path) -> None:
    runs = tmp_path / "runs" / "optimizers"
    finished(ADAMW, SGD, store=FolderStore(runs), trials=3, replicates=2, points=3)
    first = write_report(open_study("optimizers", tmp_path / "runs"), tmp_path / "reports")
    before = [path.read_bytes() for path in first.files]
    second = write_report(open_study("optimizers", tmp_path / "runs"), tmp_path / "reports")
    assert [path.read_bytes() for path in second.files] == before
    assert not list((tmp_path / "reports").rglob("*.tmp"))


def test_without_a_recommendation_an_old_one_is_removed(tmp_path: Path) -> None:
    write_report(finished(ADAMW, MUON).stored(), tmp_path)
    built = Builder(study([ADAMW, MUON]), [ADAMW, MUON]).explore(0.5)
    paths = write_report(built.stored(), tmp_path)
    assert paths.configuration is None
    assert not (tmp_path / "optimizers" / "recommended.yaml").exists()


def test_the_tables_come_back_from_their_files(tmp_path: Path) -> None:
    stored = finished(ADAMW, SGD).stored()
    paths = write_report(stored, tmp_path)
    table = results(stored)
    back = pandas.read_csv(paths.trials)
    assert list(back.columns) == list(table.columns)
    assert (back["value"].dropna().to_numpy() == table["value"].dropna().to_numpy()).all()
    assert len(pandas.read_csv(paths.curves)) > 500


def test_no_text_cell_is_a_formula(tmp_path: Path) -> None:
    texts = ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "plain", "'quoted")
    surface = Surface(name="=HYPERLINK()", dimensions={"optimizer.betas": Choices(values=texts)})
    built = Builder(study([surface]), [surface])
    built.outcome = lambda trial, stage: Outcome.CRASHED if trial.index == 0 else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.report.build.assign", lambda config, values: config)
        paths = write_report(built.explore().stored(), tmp_path)
    with paths.trials.open(newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {row["optimizer.betas"] for row in rows}
    assert cells <= {"'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\nx", "plain", "'quoted"}
    assert {row["arm"] for row in rows} == {"'=HYPERLINK()"}
    assert all(float(row["value"]) > 0 for row in rows if row["value"])


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name: expected letters"):
        write_report(finished(ADAMW, name="../elsewhere").stored(), tmp_path)


def test_half_a_character_in_an_error_does_not_lose_the_report(tmp_path: Path) -> None:
    built = finished(ADAMW)
    key = next(built.record.runs()).run.key
    result = built.record.run(key).result  # type: ignore[union-attr]
    changed = {
        **vars(result),
        "outcome": Outcome.CRASHED,
        "value": None,
        "error": "bad \udc80 name",
    }
    built.record.finish(key, type(result)(**changed))  # type: ignore[misc]
    paths = write_report(built.stored(), tmp_path)
    assert "bad ? name" in paths.page.read_text()


@pytest.mark.slow
def test_ten_thousand_trials_are_quick_and_small(tmp_path: Path) -> None:
    built = finished(ADAMW, MUON, Surface(name="lion"), SGD, trials=625)
    begin = time.monotonic()
    paths = write_report(built.stored(), tmp_path)
    assert time.monotonic() - begin < 30
    assert len(built.record.trials) == 10_000
    assert paths.page.stat().st_size < 10e6
