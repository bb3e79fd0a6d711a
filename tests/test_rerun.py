"""Reruns and single runs: what they repeat, how they compare, where they say they come from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from selector.cli import main
from selector.config.compose import load_yaml
from selector.config.single import compose_single
from selector.errors import ConfigError, StudyError
from selector.launch import single
from selector.rerun import rerun, train
from selector.study.stored import open_study
from selector.track.tracker import MemoryTracker
from tests.cli.conftest import FUNCTION, OBJECTIVE, STUDY


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a finished study of a function that takes milliseconds."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "objective").mkdir()
    (folder / "study.yaml").write_text(STUDY)
    objective = OBJECTIVE.replace("mine:train", "again:train")
    (folder / "objective" / "mine.yaml").write_text(objective)
    (folder / "again.py").write_text(FUNCTION)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        assert main(["run", "./study.yaml", "launcher=inline"]) == 0
    return folder


@pytest.fixture
def stored(made, tmp_path, monkeypatch):
    """The study in a folder of the test's own."""
    folder = tmp_path / "work"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return open_study("mine", folder / "runs")


def test_a_rerun_repeats_the_first_verdict_run_and_links_to_it(stored):
    tracker = MemoryTracker()
    done = rerun(stored, tracker, overrides=["launcher=inline"])
    assert done.first is not None
    assert (done.run.seed, done.run.tokens) == (done.first.run.seed, done.first.run.tokens)
    assert done.first.run.stage == "verdict"
    assert done.agrees is True
    mirrored = tracker.runs["reruns/00001"]
    assert mirrored["origin"].tags["origin"] == done.first.run.key
    assert mirrored["result"].value == done.first.result.value
    assert open_study("mine", stored.folder.parent).record.run("reruns/00001").result is not None


def test_the_launcher_s_settings_hold_for_a_single_run(stored, monkeypatch):
    asked = []
    inline = single.LAUNCHERS["inline"]
    spy = {"inline": lambda launch: asked.append(launch) or inline(launch)}
    monkeypatch.setattr(single, "LAUNCHERS", spy)
    overrides = ["launcher=inline", "launcher.checkpoint_seconds=7"]
    rerun(stored, MemoryTracker(), overrides=overrides)
    assert [(launch.checkpoint_seconds, launch.workers) for launch in asked] == [(7.0, 1)]


def test_another_configuration_is_not_compared(stored):
    overrides = ["launcher=inline", "objective.parameters.x=0.9"]
    done = rerun(stored, MemoryTracker(), overrides=overrides)
    assert done.agrees is None
    assert done.text.startswith("Another configuration, length or seed was trained")
    assert rerun(stored, MemoryTracker(), overrides=["launcher=inline", "seed=1"]).agrees is None


def test_a_named_trial_is_repeated(stored):
    done = rerun(stored, MemoryTracker(), trial_number=5, overrides=["launcher=inline"])
    assert done.first is not None
    assert done.first.trial.number == 5
    assert done.agrees is True
    with pytest.raises(StudyError, match="has trials 1 to 12"):
        rerun(stored, MemoryTracker(), trial_number=99)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("tracker=none", "a rerun is mirrored where its study is"),
        ("sampler=tpe", "has no effect on one run"),
        ("budget.trials=3", "has no effect on one run"),
        ("objective.parameters.x=0.1,0.2", "one run has one value"),
        ("seed=-1", "expected a whole number from 0"),
    ],
)
def test_overrides_without_meaning_are_refused(stored, override, text):
    with pytest.raises(ConfigError, match=text):
        rerun(stored, MemoryTracker(), overrides=[override])


def test_a_single_run_of_the_recommendation_says_where_it_comes_from(stored):
    tracker = MemoryTracker()
    recommended = load_yaml(Path("reports/mine/recommended.yaml"))
    single = compose_single(recommended, ["launcher=inline"])
    done = train(single, Path("runs").absolute(), tracker)
    tags = tracker.runs[done.run.key]["origin"].tags
    assert tags["origin.study"] == "mine"
    assert tags["origin.trial"] == str(recommended["origin"]["trial"])
    again = rerun(stored, MemoryTracker(), overrides=["launcher=inline"])
    assert done.result.value == again.result.value  # the same seed: the same curve


def test_single_runs_get_numbers_of_their_own(stored):
    runs = Path("runs").absolute()
    single = compose_single(load_yaml(Path("reports/mine/recommended.yaml")), ["launcher=inline"])
    keys = [train(single, runs, MemoryTracker()).run.key for _ in range(2)]
    assert keys == ["00001", "00002"]
    assert all((runs / "_single" / key / "result.json").exists() for key in keys)
