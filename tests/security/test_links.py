"""Nothing is written through a link that leads out; files follow the umask (S1, S12)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from selector.errors import StudyError
from selector.launch.output import logged
from selector.track.lock import study_lock
from selector.track.record import Record
from selector.track.store import FolderStore


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """A runs folder, and a folder elsewhere with one file that must stay as it is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("precious")
    (tmp_path / "runs").mkdir()
    yield tmp_path / "runs", elsewhere
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    assert (elsewhere / "kept").read_text() == "precious"


WRITES: list[Callable[[FolderStore], None]] = [
    lambda store: store.write("trials/00001/trial.yaml", "x"),
    lambda store: store.append("trials/00001/metrics.jsonl", "x\n"),
    lambda store: store.remove("trials/00001/kept"),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("linked", ["x", "x/trials", "x/trials/00001"])
def test_a_folder_that_is_a_link_is_refused(
    place: tuple[Path, Path], linked: str, write: Callable[[FolderStore], None]
) -> None:
    runs, elsewhere = place
    (runs / linked).parent.mkdir(parents=True, exist_ok=True)
    (runs / linked).symlink_to(elsewhere)
    with pytest.raises(StudyError, match="a link leads from there to"):
        write(FolderStore(runs / "x"))


def test_a_file_that_is_a_link_is_replaced_or_refused(place: tuple[Path, Path]) -> None:
    runs, elsewhere = place
    store = FolderStore(runs / "x")
    (runs / "x").mkdir()
    for name in ("study.yaml", "decisions.jsonl", "lock", "log.txt"):
        (runs / "x" / name).symlink_to(elsewhere / "kept")
    store.write("study.yaml", "own")
    assert not (runs / "x" / "study.yaml").is_symlink()
    with pytest.raises(StudyError, match=r"decisions.jsonl: Too many levels of symbolic links"):
        Record(store).decide({"decision": "x"})
    with pytest.raises(StudyError, match="cannot be written to"), study_lock(runs / "x"):
        pass
    with pytest.raises(OSError, match="symbolic links"), logged(runs / "x"):
        pass


def test_the_runs_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    FolderStore(tmp_path / "runs" / "x").write("trials/1/a", "x")
    assert (tmp_path / "disk" / "x" / "trials" / "1" / "a").read_text() == "x"


def test_files_follow_the_umask_and_temporary_ones_stay_in_their_folder(tmp_path: Path) -> None:
    """Nothing secret is ever stored, so teams may share a runs folder as their umask says."""
    seen: list[Path] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append(self)
        return replace(self, target)

    before = os.umask(0o077)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", watched)
            FolderStore(tmp_path / "x").write("a/b", "x")
            FolderStore(tmp_path / "x").append("a/c", "x\n")
    finally:
        os.umask(before)
    for path in (tmp_path / "x").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert all(path.parent == tmp_path / "x" / "a" for path in seen)
