"""What a run reported, read from its folder piece by piece, with the time of each value."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

#: Bytes of a curve that are read at once: a few thousand values.
_PIECE = 256 * 1024


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    value: float
    step: int
    milliseconds: int
    """When it was reported, since the epoch."""


class Curve:
    """A reader of the metrics.jsonl in a run's folder that remembers how far it got.

    The record has no clock; the times are those at which the files were written, and between two
    of them as many bytes took as long.

    Args:
        folder: the run's; None or a folder that is gone has nothing to read.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.start = _written(folder, "run.yaml")
        """When the run was asked for, in milliseconds since the epoch."""
        self._time = self.start
        self.read_bytes = 0
        """How much of the file was read; of a file that has not changed since, everything."""

    def read(self) -> list[Point]:
        """The next values, whole lines only; empty where there are no more for now.

        Raises:
            ValueError: a line is damaged.
            OSError: the file is there and cannot be read.
        """
        if self._folder is None:
            return []
        path = self._folder / "metrics.jsonl"
        try:
            with path.open("rb") as file:
                file.seek(self.read_bytes)
                piece = file.read(_PIECE)
                while piece and b"\n" not in piece and (more := file.read(_PIECE)):
                    piece += more
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return []
        piece = piece[: piece.rfind(b"\n") + 1]
        if not piece:
            return []
        begin, end = self._time, max(self._time, _written(self._folder, "metrics.jsonl"))
        each = (end - begin) / max(size - self.read_bytes, len(piece))
        points, read = [], 0
        for line in piece.splitlines(keepends=True):
            read += len(line)
            row = json.loads(line)
            step, at = int(row.pop("step")), begin + round(each * read)
            points += [Point(name, float(value), step, at) for name, value in row.items()]
        self._time = begin + round(each * read)
        self.read_bytes += len(piece)
        return points

    @property
    def size(self) -> int:
        """Bytes that are there now."""
        try:
            return (self._folder / "metrics.jsonl").stat().st_size if self._folder else 0
        except OSError:
            return 0

    @property
    def end(self) -> int:
        """When the run was over, in milliseconds since the epoch."""
        return _written(self._folder, "result.json")


def _written(folder: Path | None, name: str) -> int:
    """When the file was written, in milliseconds since the epoch; now where it is not there."""
    try:
        return (folder / name).stat().st_mtime_ns // 1_000_000 if folder else _now()
    except OSError:
        return _now()


def _now() -> int:
    return time.time_ns() // 1_000_000
