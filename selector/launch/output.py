"""Where what a run prints goes: its log.txt, which keeps its beginning and its newest lines."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selector.track.store import open_end

#: Bytes of a log at which its middle is dropped: a run that prints for ever must not fill the disk.
LONGEST = 16 << 20
_BEGINNING = 1 << 20  # bytes that stay, and as many of the newest
_LOOK_EVERY = 1.0  # seconds
_DROPPED = "\n[... selector dropped {bytes} bytes of output here ...]\n"


@contextmanager
def logged(folder: Path | None) -> Iterator[None]:
    """Send this process's output, that of C code and subprocesses too, to `folder`/log.txt."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(number) for number in (1, 2)]
    over = threading.Event()
    with open_end(folder / "log.txt") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        watch = threading.Thread(
            target=_keep_short, args=(log.fileno(), over), name="log", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            _flush()
            over.set()
            watch.join()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def _keep_short(log: int, over: threading.Event) -> None:
    while not over.wait(_LOOK_EVERY):
        shorten(log)
    shorten(log)


def shorten(log: int) -> None:
    """Drop the middle of a log that has become too long; `log`: open for reading and appending.

    Whoever goes on writing does so at its new end. What is written at this very moment may be lost.
    """
    with suppress(OSError):  # a disk that is full or gone is told where results are stored
        size = os.fstat(log).st_size
        if size <= LONGEST:
            return
        newest = os.pread(log, _BEGINNING, size - _BEGINNING)
        os.ftruncate(log, _BEGINNING)
        marker = _DROPPED.format(bytes=size - 2 * _BEGINNING)
        os.write(log, marker.encode() + newest)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ctypes.CDLL(None).fflush(None)
