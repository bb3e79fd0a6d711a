"""A folder is tried, and nothing is left in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from selector.track import place

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/root rw
30 22 0:40 / /data rw - nfs4 server:/export rw
31 30 0:41 / /data/deep rw shared:1 - overlay overlay rw
32 22 0:42 / /my\\040disk rw - fuse.sshfs other: rw
33 22 0:43 / /shm rw - tmpfs tmpfs rw
"""


def test_a_folder_of_this_machine(tmp_path: Path) -> None:
    runs = tmp_path / "not" / "there"
    found = place.look(runs)
    assert found.folder == tmp_path
    assert not found.mistake
    assert found.free_bytes > 0
    assert 0 < found.write_seconds < 5
    assert found.locks
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_the_reason_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    found = place.look(file / "runs")
    assert found.folder == file
    assert found.mistake == "Not a directory"


def test_the_median_write_is_told_not_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []
    now = [0.0]

    def fsync(descriptor: int) -> None:
        calls.append(0)
        now[0] += 9.0 if len(calls) == 3 else 0.25

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(place.time, "perf_counter", lambda: now[0])
    assert place.look(tmp_path).write_seconds == 0.25
    assert len(calls) == 20


def test_locks_that_do_not_lock_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda file, kind: None)
    assert not place.look(tmp_path).locks


def test_locks_that_are_refused_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not place.look(tmp_path).locks


@pytest.mark.parametrize(
    ("folder", "filesystem", "kind"),
    [
        ("/home/me/runs", "ext4", "disk"),
        ("/data/runs", "nfs4", "network"),
        ("/data/deep/runs", "overlay", "overlay"),
        ("/database", "ext4", "disk"),
        ("/my disk/runs", "fuse.sshfs", "network"),
        ("/shm", "tmpfs", "memory"),
    ],
)
def test_the_deepest_mount_above_a_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, filesystem: str, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    assert place._filesystem(Path(folder)) == filesystem
    assert place.Place(folder=Path(folder), filesystem=filesystem).kind == kind
