"""Preparing text: split, fingerprint, what is stored, and text that is too short."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selector.config.schema import Data
from selector.errors import DataError, StudyError
from selector.train.data.corpus import Corpus
from selector.train.data.prepare import describe, prepare, split

SHARED = Path(__file__).parents[4] / "shared/data"
ROOT = Path(__file__).parents[3]


def text(*paths: Path, **values: Any) -> Data:
    return Data(name="text", source="text", paths=tuple(map(str, paths)), **values)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_bytes(bytes(97 + number % 26 for number in range(10_000)))
    return path


def test_tinyshakespeare_is_split_as_nanogpt_does(tmp_path: Path) -> None:
    source = SHARED / "tinyshakespeare/input.txt"
    if not source.exists():
        pytest.skip(f"the real text is not here: {source}")
    data = prepare(text(source, validation_share=0.1, test_share=0), tmp_path, context=64)
    corpus = Corpus.open(data, tmp_path)
    content = source.read_bytes()  # all of its characters are single bytes
    border = int(len(content) * 0.9)  # nanoGPT, data/shakespeare_char/prepare.py
    assert corpus.part("train").tobytes() == content[:border]
    assert corpus.part("validation").tobytes() == content[border:]
    assert len(corpus.part("test")) == 0


def test_parts_follow_each_other_without_gap_or_overlap() -> None:
    data = Data(name="stdlib", source="stdlib")
    assert split(data, 1000) == {
        "train": [0, 900],
        "validation": [950, 1000],
        "test": [900, 950],
    }


def test_what_is_stored(book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made/data"
    data = prepare(text(book), folder, context=64)
    assert data == replace(text(book), fingerprint=data.fingerprint, vocabulary=256)
    corpus = Corpus.open(data, folder)
    assert isinstance(corpus.part("train"), np.memmap)
    assert corpus.part("train").dtype == np.uint8
    assert corpus.vocabulary == 256
    assert corpus.tokens.tobytes() == book.read_bytes()
    manifest = json.loads((folder / data.fingerprint / "manifest.json").read_text())
    assert manifest == {
        "format": 1,
        "fingerprint": data.fingerprint,
        "source": "text",
        "tokenizer": "byte",
        "vocabulary": 256,
        "dtype": "uint8",
        "parts": {"train": [0, 9000], "validation": [9500, 10000], "test": [9000, 9500]},
        "documents": 1,
        "skipped": {},
        "bytes": 10_000,
        "python": sys.version.split()[0],
    }
    assert describe(data, folder) == {
        **manifest,
        "tokens": {"train": 9000, "validation": 500, "test": 500},
    }


def test_a_second_call_changes_nothing_and_leaves_nothing(book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = prepare(text(book), folder, context=64)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert prepare(first, folder, context=64) == first
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert {path.name for path in before} == {first.fingerprint, "tokens.bin", "manifest.json"}


def test_fingerprint_follows_what_is_read_not_where_it_lies(book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    copy = tmp_path / "folder/copy.md"
    copy.parent.mkdir()
    copy.write_bytes(book.read_bytes())

    def fingerprint(data: Data) -> str:
        return prepare(data, folder, context=64).fingerprint

    here = fingerprint(text(book))
    assert fingerprint(text(copy)) == fingerprint(text(copy.parent)) == here
    assert fingerprint(replace(text(book), name="other")) == here
    others = {
        fingerprint(text(book, validation_share=0.1)),
        fingerprint(text(book, test_share=0)),
        fingerprint(text(book, version=2)),
        fingerprint(text(book, copy)),
    }
    assert len(others) == 4
    copy.write_bytes(book.read_bytes()[:-1] + b"!")
    assert fingerprint(text(copy)) not in {here, *others}


@pytest.mark.parametrize(
    "values",
    [{}, {"test_share": 0}, {"validation_share": 0.8}, {"validation_share": 0.001}],
    ids=str,
)
def test_text_that_is_too_short_says_what_would_do(
    tmp_path: Path, values: dict[str, float]
) -> None:
    path = tmp_path / "short.txt"
    path.write_text("a" * 1000)
    with pytest.raises(DataError) as raised:
        prepare(text(path, **values), tmp_path / "data", context=600)
    message = str(raised.value)
    assert message.startswith(
        f"data: the text ({path}) has 1000 tokens, too few for batch.context=600"
    )
    assert not list((tmp_path / "data").iterdir())
    needed = int(message.split("at least ")[1].split()[0])
    path.write_text("a" * (needed - 1))
    with pytest.raises(DataError, match=f"has {needed - 1} tokens"):
        prepare(text(path, **values), tmp_path / "data", context=600)
    path.write_text("a" * needed)
    prepare(text(path, **values), tmp_path / "data", context=600)


def test_text_that_is_too_short_names_the_context_that_fits(book: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected batch\.context=499 or smaller, or at least"):
        prepare(text(book), tmp_path, context=500)
    assert prepare(text(book), tmp_path, context=499).fingerprint
    book.write_text("a")
    with pytest.raises(DataError, match="expected at least"):  # no context fits
        prepare(text(book), tmp_path, context=1)


def test_mistakes_leave_no_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("a" * 10_000)
    bad.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"data\.paths\[1\]"):
        prepare(text(good, bad), tmp_path / "data", context=8)
    assert not list((tmp_path / "data").iterdir())


def test_a_folder_that_cannot_be_written(book: Path) -> None:
    with pytest.raises(StudyError, match=r"prepared text cannot be written to .*book\.txt"):
        prepare(text(book), book / "data", context=64)


def test_two_processes_prepare_at_once(book: Path, tmp_path: Path) -> None:
    book.write_bytes(book.read_bytes() * 200)
    program = (
        "import sys; from pathlib import Path; from selector.config.schema import Data\n"
        "from selector.train.data.prepare import prepare\n"
        "data = Data(name='text', source='text', paths=(sys.argv[1],))\n"
        "sys.stdin.readline()\n"
        "print(prepare(data, Path(sys.argv[2]), context=64).fingerprint)"
    )
    folder = tmp_path / "data"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(book), str(folder)],
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = {worker.communicate(timeout=30)[0].strip() for worker in workers}
    data = prepare(text(book), folder, context=64)
    assert answers == {data.fingerprint}
    assert Corpus.open(data, folder).tokens.tobytes() == book.read_bytes()
    assert sorted(path.name for path in folder.rglob("*")) == sorted(
        [data.fingerprint, "manifest.json", "tokens.bin"]
    )


def test_tokens_that_were_damaged_are_written_again(book: Path, tmp_path: Path) -> None:
    data = prepare(text(book), tmp_path, context=64)
    tokens = tmp_path / data.fingerprint / "tokens.bin"
    tokens.write_bytes(b"x" * tokens.stat().st_size)
    prepare(text(book), tmp_path, context=64)
    assert tokens.read_bytes() == book.read_bytes()


def test_preparing_imports_no_torch() -> None:
    program = (
        "import sys, selector.train.data.prepare, selector.train.data.sample;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=30)
