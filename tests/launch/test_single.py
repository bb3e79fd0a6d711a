"""A single run's folder: a new one, or that of an earlier attempt which can go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selector.launch.single import folder_for
from selector.track.checkpoints import checkpoint_folder, whole_checkpoints
from selector.track.record import Record
from selector.track.run import Outcome, Result, Run
from selector.track.store import FolderStore
from selector.track.trunk import MANIFEST
from tests.launch.examples import function_run


@pytest.fixture
def run() -> Run:
    return replace(function_run("a", "learns"), stage="single")


def left(parent: Path, run: Run, outcome: Outcome | None = None) -> Path:
    """The folder of an attempt that has left a state, and perhaps a result."""
    folder = folder_for(parent, run)
    record = Record(FolderStore(parent))
    record.ask(replace(run, key=folder.name), None)
    state = checkpoint_folder(folder, 7)
    state.mkdir(parents=True)
    (state / MANIFEST).write_text("{}")
    if outcome is not None:
        rest: dict[str, Any] = {"value": None, "metrics": {}, "error": "", "facts": {}}
        record.finish(folder.name, Result(outcome=outcome, steps=9, seconds=1.0, **rest))
    return folder


@pytest.mark.parametrize("outcome", [None, Outcome.LOST])
def test_what_was_cut_off_or_lost_goes_on_in_its_folder(
    tmp_path: Path, run: Run, outcome: Outcome | None
) -> None:
    folder = left(tmp_path, run, outcome)
    assert folder_for(tmp_path, run) == folder
    assert folder_for(tmp_path, replace(run, seed=run.seed + 1)) != folder


def test_what_is_over_keeps_no_states(tmp_path: Path, run: Run) -> None:
    folder = left(tmp_path, run, Outcome.COMPLETE)
    assert folder_for(tmp_path, run) != folder
    assert not whole_checkpoints(folder)
