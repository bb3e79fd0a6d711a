from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from selector.errors import DataError
from selector.launch.table import read_table
from tests.launch.tables import ROWS, write


def test_a_table_is_its_content_whatever_its_path_and_compression(tmp_path: Path) -> None:
    plain = read_table(write(tmp_path))
    packed = tmp_path / "other.csv.gz"
    packed.write_bytes(gzip.compress(ROWS.encode()))
    assert read_table(packed).fingerprint == plain.fingerprint
    assert read_table(packed).columns == plain.columns
    assert len(plain) == 11
    other = read_table(write(tmp_path, ROWS.replace("3.02", "3.03"), "changed.csv"))
    assert other.fingerprint != plain.fingerprint


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = read_table(path)
    write(tmp_path, ROWS.replace("3.02", "3.03"))
    os.utime(path, ns=(1, 1))
    assert read_table(path).fingerprint != before.fingerprint


def test_numbers_are_numbers_empty_or_not_finite(tmp_path: Path) -> None:
    numbers = read_table(write(tmp_path)).numbers("loss")
    assert numbers[:3] == (3.2, 3.0, 3.02)
    assert str(numbers[3]) == "nan"
    assert numbers[-1] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a line of column names and at least one row"),
        ("a,b\n", "expected a line of column names and at least one row"),
        ("a,b\n1,2\n3\n", "row 2: expected 2 cells, got 1"),
        ("a,a\n1,2\n", "column 'a' is there 2 times"),
        ('a,b\n1,"2\n', "is no CSV file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "torn.gz").write_bytes(gzip.compress(ROWS.encode())[:40])
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    for name in ("missing.csv", "torn.gz", "binary.csv", "."):
        with pytest.raises(DataError, match=str(tmp_path)):
            read_table(tmp_path / name)


def test_missing_columns_and_words_among_numbers(tmp_path: Path) -> None:
    table = read_table(write(tmp_path))
    with pytest.raises(DataError, match=r"unknown column 'los'.*did you mean 'loss'"):
        table.column("los")
    with pytest.raises(DataError, match=r"expected numbers, got 'constant' in row 1.* and 8 more"):
        table.numbers("schedule")
