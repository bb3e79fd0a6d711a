"""Reading text: the order and joining of documents, and every way in which a file can be wrong."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from selector.config.schema import Data
from selector.errors import DataError
from selector.train.data.sources import STDLIB, Tally, read


def text_of(*paths: Path | str) -> tuple[bytes, Tally]:
    tally = Tally()
    data = Data(name="text", source="text", paths=tuple(str(path) for path in paths))
    return b"".join(read(data, tally)), tally


def mistakes_in(*paths: Path | str) -> tuple[str, ...]:
    with pytest.raises(DataError) as raised:
        text_of(*paths)
    return raised.value.mistakes


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_stdlib_is_a_few_megabytes_of_text_that_decodes() -> None:
    tally = Tally()
    text = b"".join(read(Data(name="stdlib", source="stdlib"), tally))
    assert 3_000_000 < len(text) < 10_000_000
    assert "class OrderedDict(dict):" in text.decode()
    assert tally.documents > 200
    assert list(STDLIB) == sorted(set(STDLIB))
    assert set(STDLIB) <= sys.stdlib_module_names


def test_stdlib_counts_files_that_do_not_decode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "abc.py", "one")
    write(tmp_path / "json/__init__.py", "two")
    write(tmp_path / "json/latin.py", b"\xe9")
    write(tmp_path / "json/tests/test_it.py", "never read")
    write(tmp_path / "string.py", "")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    tally = Tally()
    assert b"".join(read(Data(name="stdlib", source="stdlib"), tally)) == b"one\ntwo"
    assert tally == Tally(documents=2, skipped=Counter({"not UTF-8": 1, "empty": 1}))


def test_stdlib_without_sources_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(DataError, match=r"data\.source: stdlib needs .* has none of them"):
        list(read(Data(name="stdlib", source="stdlib"), Tally()))


def test_documents_are_joined_by_a_newline_and_otherwise_left_alone(tmp_path: Path) -> None:
    first = write(tmp_path / "first.txt", b"\xef\xbb\xbfone\r\ntwo\r\n")
    second = write(tmp_path / "any.name", "dr\u00e9i \ufeff")
    text, tally = text_of(first, second)
    assert text == "one\r\ntwo\r\n\ndr\u00e9i \ufeff".encode()
    assert tally.documents == 2


def test_a_folder_gives_its_text_files_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path / "b/2.md", "four")
    write(tmp_path / "b/10.txt", "three")
    write(tmp_path / "a.TXT", "one")
    write(tmp_path / "b.txt", "five")
    write(tmp_path / "a/z/deep.py", "two")
    write(tmp_path / "a/photo.jpg", b"\0\0")
    write(tmp_path / "a/empty.txt", "")
    write(tmp_path / ".hidden.txt", "no")
    write(tmp_path / ".git/config.txt", "no")
    os.mkfifo(tmp_path / "pipe.txt")
    text, tally = text_of(tmp_path)
    assert text == b"two\none\nthree\nfour\nfive"
    assert tally == Tally(documents=5, skipped=Counter({"not named as text": 2, "empty": 1}))


def test_links_are_followed_and_loops_and_repetitions_read_once(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/linked.txt", "linked")
    write(tmp_path / "corpus/own.txt", "own")
    (tmp_path / "corpus/around").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus/z.txt").symlink_to(tmp_path / "elsewhere/linked.txt")
    text, tally = text_of(tmp_path / "corpus", tmp_path / "corpus/own.txt")
    assert text == b"linked\nown"  # corpus/out before corpus/own.txt
    assert tally == Tally(documents=2, skipped=Counter({"reached twice": 2}))


def test_a_relative_path_and_a_home_path_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "it.txt", "here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert text_of("it.txt")[0] == text_of("~/it.txt")[0] == b"here"


def test_missing_path(tmp_path: Path) -> None:
    assert mistakes_in(tmp_path / "no.txt") == (
        f"data.paths[0]: {tmp_path}/no.txt does not exist;"
        " expected a text file or a folder of text files",
    )


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    empty = write(tmp_path / "empty.txt", content)
    assert mistakes_in(empty) == (f"data.paths[0]: {empty} is empty; expected text in UTF-8",)


def test_binary_file(tmp_path: Path) -> None:
    binary = write(tmp_path / "binary.txt", b"text\0\xff")
    assert mistakes_in(binary) == (
        f"data.paths[0]: {binary} has a NUL byte at offset 4, so it is binary or UTF-16;"
        " expected text in UTF-8",
    )


@pytest.mark.parametrize(
    ("content", "byte", "offset"),
    [
        (b"caf\xe9 au lait", "0xe9", 3),
        (b"cut off \xe2\x82", "0xe2", 8),
        # a character across the border between two pieces, then the wrong byte
        (b"a" * ((1 << 20) - 1) + "\u20ac".encode() + b"\xff", "0xff", (1 << 20) + 2),
        (b"a" * ((1 << 20) - 1) + b"\xe2\x82", "0xe2", (1 << 20) - 1),
    ],
)
def test_file_that_is_not_utf8(tmp_path: Path, content: bytes, byte: str, offset: int) -> None:
    with pytest.raises(UnicodeDecodeError) as reference:
        content.decode()
    assert reference.value.start == offset
    latin = write(tmp_path / "latin.txt", content)
    assert mistakes_in(latin) == (
        f"data.paths[0]: {latin} is not UTF-8: byte {byte} at offset {offset}; expected text in"
        " UTF-8 (iconv -f latin1 -t utf-8 converts Latin-1)",
    )


def test_a_character_across_two_pieces_is_kept(tmp_path: Path) -> None:
    content = b"a" * ((1 << 20) - 1) + "\u20ac".encode()
    assert text_of(write(tmp_path / "long.txt", content))[0] == content


def test_pipe_and_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    first, second = mistakes_in(tmp_path / "pipe", "/dev/null")
    wrong = "is neither a file nor a folder; expected text in UTF-8"
    assert first == f"data.paths[0]: {tmp_path}/pipe {wrong}"
    assert second == f"data.paths[1]: /dev/null {wrong}"


def test_path_that_cannot_be_read(tmp_path: Path) -> None:
    # permissions do not stop a superuser, a link to itself does
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    (mistake,) = mistakes_in(tmp_path / "loop.txt")
    assert mistake.startswith(f"data.paths[0]: {tmp_path}/loop.txt cannot be read (")
    assert mistakes_in("nul\0byte", "~nobody-of-this-name/x")[0].startswith("data.paths[0]: nul")


@pytest.mark.parametrize("files", [{}, {"a.jpg": b"x"}, {".a.txt": b"x"}, {"a.txt": b""}])
def test_folder_without_text(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)
    (mistake,) = mistakes_in(tmp_path)
    assert mistake.startswith(
        f"data.paths[0]: {tmp_path} is a folder without text; expected files that end in .adoc"
    )


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path / "corpus/1.txt", "fine")
    write(tmp_path / "corpus/2.txt", b"\xff")
    (tmp_path / "corpus/3.txt").symlink_to(tmp_path / "gone")
    write(tmp_path / "corpus/4.txt", b"\0")
    write(tmp_path / "empty.txt", "")
    found = mistakes_in(
        tmp_path / "corpus", tmp_path / "missing", write(tmp_path / "ok.txt", "ok"),
        tmp_path / "empty.txt",
    )  # fmt: skip
    assert [mistake.split()[:3] for mistake in found] == [
        ["data.paths[0]:", f"{tmp_path}/corpus/2.txt", "is"],
        ["data.paths[0]:", f"{tmp_path}/corpus/3.txt", "does"],
        ["data.paths[0]:", f"{tmp_path}/corpus/4.txt", "has"],
        ["data.paths[1]:", f"{tmp_path}/missing", "does"],
        ["data.paths[3]:", f"{tmp_path}/empty.txt", "is"],
    ]


def test_a_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (mistake,) = mistakes_in(tmp_path / name)
    assert "caf\\xe9.txt does not exist" in mistake
    assert mistake.encode()
