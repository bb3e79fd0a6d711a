"""Files cut off, with flipped bits, swapped, or no files at all: told, or mended; not believed."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from selector.errors import StudyError
from selector.study.stored import find_study
from tests.chaos.checker import conclusions, results, violations
from tests.chaos.points import command

SAID = "reports/tiny/recommendation.json"
FILES = ("study.yaml", "decisions.jsonl", "trial.yaml", "run.yaml", "metrics.jsonl", "result.json")
EVERY = 1 if os.environ.get("SELECTOR_CHAOS_POINTS") == "all" else 13
#: The others are of the same code, and take longer.
_QUICK = ("result.json", "decisions.jsonl")
SOME_QUICK = [
    pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in FILES
]


@pytest.fixture
def copy(plain, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(plain, tmp_path / "study")


def one(folder: Path, name: str) -> Path:
    """The first file of that name."""
    return sorted((folder / "runs" / "tiny").rglob(name))[0]


def content(folder: Path) -> object:
    """Everything that the record says, read anew; the rows of a run only where it is over."""
    stored = find_study("tiny", folder / "runs")
    assert stored is not None
    record = stored.record
    runs = {item.run.key: (item.run, item.trial, item.result) for item in record.runs()}
    curves = {key: record.curve(key) for key, (_, _, result) in runs.items() if result}
    return stored.study, record.trials, runs, curves, record.decisions()


def content_or_refusal(folder: Path) -> object:
    """What the record says, or why it cannot be read."""
    try:
        return content(folder)
    except StudyError as error:
        return str(error)


@contextmanager
def within(seconds: int):
    """A limit on what may hang."""

    def over(*_: object) -> None:
        raise AssertionError(f"it hangs: not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def is_like(folder: Path, plain: Path) -> None:
    assert violations(folder / "runs" / "tiny") == []
    assert results(folder / "runs" / "tiny") == results(plain / "runs" / "tiny")
    assert conclusions(folder / SAID) == conclusions(plain / SAID)


def goes_on_or_is_named(folder: Path, plain: Path, path: Path) -> str:
    """What the same command does about a damaged file: it mends it, or says which one it is.

    A curve without a row is one that is missing, which the report can do without.
    """
    with within(60):
        code, output = command(folder)
    assert "Traceback" not in output, output
    if code == 0:
        if path.name == "metrics.jsonl":
            assert results(folder / "runs" / "tiny") == results(plain / "runs" / "tiny")
            return "missing"
        is_like(folder, plain)
        return "mended"
    assert code == 2, output
    assert path.name in output
    return "named"


@pytest.mark.parametrize("name", SOME_QUICK)
def test_a_file_cut_off_at_any_byte_is_named_or_means_less(copy, name):
    whole, path = content(copy), one(copy, name)
    kept = path.read_bytes()
    for length in [*range(0, len(kept) - 1, EVERY), len(kept) - 2, len(kept) - 1]:
        path.write_bytes(kept[:length])
        found = content_or_refusal(copy)
        if isinstance(found, str):
            assert name in found
            continue
        # Only whole lines of what is appended to may be missing, and then all from some point on.
        assert name in ("decisions.jsonl", "metrics.jsonl"), length
        if name == "decisions.jsonl":
            assert found[:4] == whole[:4]
            assert found[4] == whole[4][: len(found[4])]
        else:
            assert length < kept.index(b"\n") + 1, "a shorter curve was taken for the whole one"


@pytest.mark.parametrize("name", SOME_QUICK)
def test_a_flipped_bit_is_seen(copy, name):
    whole, path = content(copy), one(copy, name)
    kept = path.read_bytes()
    for place in range(0, len(kept), EVERY):
        damaged = bytearray(kept)
        damaged[place] ^= 1 << (place % 7)
        path.write_bytes(damaged)
        found = content_or_refusal(copy)
        if isinstance(found, str):
            assert name in found
            continue
        if name.endswith(".jsonl"):  # its last line end may be gone: then that line was torn
            assert kept[place : place + 1] == b"\n", place
        else:
            assert found == whole, place


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME_QUICK)
def test_a_study_with_a_file_cut_off_goes_on_or_names_it(plain, tmp_path, name):
    said = set()
    size = one(plain, name).stat().st_size
    for length in (0, 1, size // 3, size // 2, size - 2, size - 1):
        folder = shutil.copytree(plain, tmp_path / str(length))
        path = one(folder, name)
        os.truncate(path, length)
        said.add(goes_on_or_is_named(folder, plain, path))
        if name in ("run.yaml", "result.json"):
            assert path.with_name(f"{name}.damaged").exists()
    mended = {"decisions.jsonl": {"mended"}, "run.yaml": {"mended"}, "result.json": {"mended"}}
    named = {"study.yaml": {"named"}, "trial.yaml": {"named"}}
    assert said == {**mended, **named, "metrics.jsonl": {"missing", "named"}}[name]


@pytest.mark.parametrize("name", ["trial.yaml", "run.yaml", "result.json", "metrics.jsonl"])
def test_files_swapped_between_runs_are_not_believed(copy, plain, name):
    first, *_, last = sorted((copy / "runs" / "tiny").rglob(name))
    a, b = first.read_bytes(), last.read_bytes()
    first.write_bytes(b)
    last.write_bytes(a)
    with pytest.raises(StudyError, match=name):
        content(copy)
    done = goes_on_or_is_named(copy, plain, first)
    assert done == ("mended" if name in ("run.yaml", "result.json") else "named")


def test_a_run_that_is_a_link_to_another_is_not_believed(copy, plain):
    first, *_, last = sorted(path.parent for path in copy.rglob("result.json"))
    shutil.rmtree(first)
    first.symlink_to(last)
    with pytest.raises(StudyError, match="is damaged"):
        content(copy)


def test_a_run_that_was_moved_to_another_disk_and_linked_is_read(copy, plain, tmp_path):
    before, first = content(copy), one(copy, "result.json").parent
    shutil.move(first, tmp_path / "elsewhere")
    first.symlink_to(tmp_path / "elsewhere")
    assert content(copy) == before


@pytest.mark.parametrize("name", ["lock", "requests", "start.json", *SOME_QUICK])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(copy, plain, name):
    found = sorted((copy / "runs" / "tiny").rglob(name))
    path = found[0] if found else copy / "runs" / "tiny" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for given in (("status", "tiny"), ("report", "tiny"), ("run", "./tiny.yaml")):
        with within(30):
            code, output = command(copy, None, *given)
        assert code in (0, 1, 2), output
        assert "Traceback" not in output, output


def test_a_damaged_run_is_told_and_kept(copy, plain):
    path = one(copy, "result.json")
    path.write_text(path.read_text().replace('"value": ', '"value": 1'))
    code, output = command(copy, None, "status", "tiny")
    assert code == 2
    assert "`selector run` makes this run again" in output
    assert path.exists(), "a command that only looks changes nothing"
    code, output = command(copy)
    assert code == 0
    assert "set aside" in " ".join(output.split())
    is_like(copy, plain)


def test_a_lock_whose_folder_was_made_anew_keeps_nobody_out(copy, plain):
    from selector.track.lock import is_locked, study_lock

    folder = copy / "runs" / "tiny"
    with study_lock(folder):
        shutil.move(folder, copy / "moved")
        shutil.copytree(copy / "moved", folder)
        assert not is_locked(folder)
        assert is_locked(copy / "moved")
        with study_lock(folder):  # another study by now: the first one's files are elsewhere
            pass
