"""A full disk, a read-only one, and a clock that goes backwards, under a study of milliseconds."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos import points
from tests.chaos.checker import conclusions, results, violations
from tests.chaos.points import Point, command, tiny

SAID = "reports/tiny/recommendation.json"


@contextmanager
def mounted(folder: Path, options: str):
    """A file system of its own at `folder`, in memory; skips where this may not be done."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"mount needs to be root: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The study that nothing happened to."""
    folder = tiny(tmp_path_factory.mktemp("plain") / "study")
    code, output = command(folder)
    assert code == 0, output
    return folder


def is_like(folder: Path, plain: Path) -> None:
    """The study came to the same end, and no rule is broken."""
    assert violations(folder / "runs" / "tiny") == []
    assert results(folder / "runs" / "tiny") == results(plain / "runs" / "tiny")
    assert conclusions(folder / SAID) == conclusions(plain / SAID)


@pytest.mark.slow
def test_a_full_disk_ends_a_study_that_goes_on_once_there_is_room(tmp_path, plain):
    stored = []
    for kilobytes in range(12, 200, 16):
        folder = tiny(tmp_path / f"{kilobytes}")
        with mounted(folder / "runs", f"size={kilobytes}k"):
            code, output = command(folder)
            if code == 0:
                break
            assert code == 1, output
            assert "No space left on device" in output
            assert "free some space" in output
            assert "Traceback" not in output
            stored.append(len(results(folder / "runs" / "tiny")))
            if stored[-1]:
                assert violations(folder / "runs" / "tiny", finished=False) == []
            remount(folder / "runs", "size=8m")
            code, output = command(folder)
            assert code == 0, output
            is_like(folder, plain)
    assert max(stored) >= 3, "it was never full in the middle of the study"


def test_a_limit_on_the_size_of_files_is_an_error_of_the_disk(tmp_path, plain, monkeypatch):
    folder = tiny(tmp_path / "limited")
    inside = points._selector

    def limited(*given):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        return inside(*given)

    with monkeypatch.context() as patch:
        patch.setattr(points, "_selector", limited)
        code, output = command(folder)
    assert code == 1
    assert "File too large" in output
    assert "study.yaml" in output
    assert "Traceback" not in output
    assert command(folder)[0] == 0
    is_like(folder, plain)


@pytest.mark.parametrize("name", ["lock", "decisions.jsonl", "study.yaml"])
def test_a_device_in_the_place_of_a_file_is_named(tmp_path, name):
    folder = tiny(tmp_path / "full")
    (folder / "runs" / "tiny").mkdir(parents=True)
    (folder / "runs" / "tiny" / name).symlink_to("/dev/full")
    code, output = command(folder)
    assert code in (1, 2)
    assert "/tiny" in output
    assert "Traceback" not in output


def test_a_read_only_folder_is_read_and_not_written(tmp_path, plain):
    folder = tiny(tmp_path / "study")
    shutil.copytree(plain / "runs", folder / "before")
    with mounted(folder / "runs", "size=8m"):
        shutil.copytree(folder / "before" / "tiny", folder / "runs" / "tiny")
        remount(folder / "runs", "ro")
        code, output = command(folder)
        assert code == 1
        assert "Read-only file system" in output
        assert "--runs DIR" in output
        assert "Traceback" not in output
        assert command(folder, None, "status", "tiny")[0] == 0
        code, output = command(folder, None, "report", "tiny")
        assert code == 0, output
    assert conclusions(folder / SAID) == conclusions(plain / SAID)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_somebody_else_is_named(monkeypatch):
    inside = points._selector

    def as_nobody(*given):
        os.setgid(65534)
        os.setuid(65534)
        return inside(*given)

    with tempfile.TemporaryDirectory() as name:
        folder = tiny(Path(name) / "study")
        (folder / "runs").mkdir()
        Path(name).chmod(0o755)
        monkeypatch.setattr(points, "_selector", as_nobody)
        code, output = command(folder)
    if "No module named" in output:
        pytest.skip("this Python is installed where other users cannot read it")
    assert code == 2, output
    assert "cannot be written to" in output
    assert "Traceback" not in output


def test_a_clock_set_back_changes_nothing(tmp_path, plain, monkeypatch):
    folder = tiny(tmp_path / "back")
    assert command(folder, Point("rename", 12, "after"))[0] == points.KILLED
    inside = points._selector

    def in_the_past(*given):
        import time
        from datetime import datetime

        from selector.study import decisions

        class Past(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime(1999, 1, 1, tzinfo=tz)

        clock = iter(range(10**9, 0, -3600))
        time.time = lambda: float(next(clock))
        decisions.datetime = Past
        return inside(*given)

    monkeypatch.setattr(points, "_selector", in_the_past)
    code, output = command(folder)
    assert code == 0, output
    is_like(folder, plain)
