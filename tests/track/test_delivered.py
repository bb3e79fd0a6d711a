from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from selector.errors import StudyError
from selector.track.delivered import Delivered
from selector.track.run import Outcome
from tests.track.examples import result

PLACE = "http://me:secret@host"


@contextmanager
def opened(folder: Path, experiment: str = "1") -> Iterator[Delivered]:
    with closing(Delivered(folder, PLACE)) as delivered:
        delivered.about(experiment, 1000)
        yield delivered


def test_what_was_delivered_is_known_to_the_next_command(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.over("a", "id-a", result())
        first.begun("b", "id-b")
    with opened(tmp_path) as then:
        assert then.holds("a", result())
        assert then.run("a") == "id-a"
        assert not then.holds("a", replace(result(), seconds=9.0))  # another attempt
        assert not then.holds("b", result(Outcome.CRASHED))
        assert not then.holds("a", None)


def test_a_line_torn_by_a_crash_costs_one_look_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        for key in ("a", "b"):
            first.over(key, f"id-{key}", result())
    (path,) = tmp_path.iterdir()
    whole = path.read_text()
    for cut in range(len(whole)):
        path.write_text(whole[:cut])
        with opened(tmp_path) as then:
            then.over("c", "id-c", result())
        with opened(tmp_path) as last:
            assert last.holds("c", result()), whole[:cut]
            known = [key for key in ("a", "b") if last.holds(key, result())]
            assert known == ["a", "b"][: len(known)]


def test_an_experiment_that_is_another_one_holds_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.over("a", "id-a", result())
    with opened(tmp_path, experiment="2") as other:
        assert not other.holds("a", result())
        other.over("b", "id-b", result())
    with opened(tmp_path, experiment="2") as again:
        assert again.holds("b", result())


def test_trackers_share_it_and_a_sync_has_it_alone(tmp_path: Path) -> None:
    one, two = Delivered(tmp_path, PLACE), Delivered(tmp_path, PLACE)
    with pytest.raises(StudyError, match="another command delivers to this mirror now"):
        Delivered(tmp_path, PLACE, alone=True)
    Delivered(tmp_path, "another place", alone=True).close()
    one.close()
    two.close()
    alone = Delivered(tmp_path, PLACE, alone=True)
    with pytest.raises(StudyError, match="`selector sync` completes"):
        Delivered(tmp_path, PLACE)
    alone.close()


def test_no_password_gets_to_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as delivered:
        delivered.over("a", "id", result())
    (path,) = tmp_path.iterdir()
    assert "secret" not in path.name + path.read_text()


def test_without_a_folder_it_remembers_for_this_process(tmp_path: Path) -> None:
    with opened(tmp_path / "not there") as delivered:
        delivered.over("a", "id", result())
        assert delivered.holds("a", result())
    assert not list(tmp_path.iterdir())


def test_bytes_that_are_no_text_cost_one_look_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        for key in ("a", "b"):
            first.over(key, f"id-{key}", result())
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b'"id-a"', b'"id-\xff'))
    with opened(tmp_path) as then:
        assert not then.holds("a", result())
        assert then.holds("b", result())


def test_nothing_is_written_where_a_link_leads(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    (path,) = tmp_path.iterdir()
    path.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    path.symlink_to(elsewhere)
    with opened(tmp_path) as delivered:
        delivered.over("a", "id-a", result())
        assert delivered.holds("a", result())  # for this process
    assert elsewhere.read_text() == "mine\n"


def test_a_full_disk_fails_neither_while_it_is_used_nor_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        """What is buffered is refused when it is flushed, and again when the file is closed."""

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path) -> IO[bytes]:
        return io.BufferedRandom(Full(path, "w+"))

    monkeypatch.setattr("selector.track.delivered.open_end", full)
    with opened(tmp_path) as delivered:
        delivered.over("a", "id-a", result())
        assert delivered.holds("a", result())
