"""A CSV file of results as columns of text: read whole, checked, named by its content."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from selector.config.decode import unknown
from selector.errors import DataError

#: Larger files are refused before they are read: a table of runs is small.
_LARGEST_FILE = 1 << 28
_LENGTH = 12  # hex digits of the fingerprint, as of configurations


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of results; every cell is text without spaces around it."""

    path: str
    fingerprint: str
    """Hash of the uncompressed content."""
    columns: Mapping[str, tuple[str, ...]]
    """Column -> its cells, all of one length of at least one."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of the column `name`.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(f"{self.path}: {unknown('column', name, list(self.columns))}")
        return self.columns[name]

    def numbers(self, name: str) -> tuple[float | None, ...]:
        """The cells of a column as numbers, None where they are empty; nan and inf are numbers.

        Raises:
            DataError: there is no such column, or it holds words; the first three are shown.
        """
        found: list[float | None] = []
        words = []
        for row, cell in enumerate(self.column(name)):
            try:
                found.append(float(cell) if cell else None)
            except ValueError:
                words.append(f"{cell!r} in row {row + 1}")
        if words:
            shown = ", ".join(words[:3]) + (f" and {len(words) - 3} more" if words[3:] else "")
            raise DataError(f"{self.path}: column {name}: expected numbers, got {shown}")
        return tuple(found)


def read_table(path: str | Path) -> Table:
    """The table in a CSV file, which may be compressed (.gz); kept until the file changes.

    Raises:
        DataError: it is not there, is no table, or has no rows.
    """
    file = Path(path)
    try:
        state = file.stat()
        if not stat.S_ISREG(state.st_mode):  # reading a pipe would wait for ever
            raise DataError(f"{path}: expected a plain file with a table")
        if state.st_size > _LARGEST_FILE:
            raise DataError(
                f"{path}: larger than {_LARGEST_FILE >> 20} MiB; is it a table of runs?"
            )
        return _read(str(file), state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=8)
def _read(path: str, _changed: int, _size: int) -> Table:
    content = Path(path).read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as opened:  # no more of it than is allowed
                content = opened.read(_LARGEST_FILE + 1)
            if len(content) > _LARGEST_FILE:
                raise DataError(f"{path}: larger than {_LARGEST_FILE >> 20} MiB, unpacked")
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: is damaged: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV file: {error}") from error
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise DataError(f"{path}: expected a line of column names and at least one row")
    names, *cells = rows
    mistakes = [
        f"{path}: column {name!r} is there {names.count(name)} times"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    mistakes += [
        f"{path}: row {number}: expected {len(names)} cells, got {len(row)}"
        for number, row in enumerate(cells, start=1)
        if len(row) != len(names)
    ][:3]
    if mistakes:
        raise DataError(mistakes)
    columns = dict(zip(names, zip(*cells, strict=True), strict=True))
    name = hashlib.sha256(content).hexdigest()[:_LENGTH]
    return Table(path=path, fingerprint=name, columns=columns)
