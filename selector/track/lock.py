"""One controller a study: a lock on the study's folder that ends with its process, however it ends.

The kernel releases a flock when its holder dies, kill -9 included, so no lock is ever stale. The
file names its owner for the one who is refused; filelock would empty the file before it fails.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from selector.errors import StudyError
from selector.track.store import make_folder, open_end, refused, sweep, without_waiting

#: Seconds between tries.
_PAUSES = (0.01, 0.02, 0.04)


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the study stored in `folder`.

    Raises:
        StudyError: another process holds it, or the folder cannot be written to.
        StorageError: the disk is full, read-only, or fails.
    """
    owner = json.dumps({"process": os.getpid(), "host": socket.gethostname()}) + "\n"
    with ExitStack() as held:
        try:
            make_folder(folder)
            file = held.enter_context(open_end(folder / "lock"))
            _take(file)
            if not _still_there(file, folder):
                raise StudyError(f"{folder}: was taken away just now; try again")
            file.truncate(0)
            file.write(owner.encode())
            file.flush()
        except BlockingIOError as error:
            raise StudyError(
                f"{folder}: this study is being run by {_owner(folder)}; wait for it, or end it"
            ) from error
        except OSError as error:
            found = refused(folder, error)
            if isinstance(found, StudyError):
                raise StudyError(
                    f"{folder}: cannot be written to ({error.strerror or error}); choose another"
                    " folder with --runs DIR"
                ) from error
            raise found from error
        sweep(folder)
        yield


def _take(file: IO[bytes]) -> None:
    """Lock it, past one who only looks whether it is locked: that takes microseconds.

    Raises:
        BlockingIOError: another process keeps it.
    """
    for pause in _PAUSES:
        with suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(pause)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _still_there(file: IO[bytes], folder: Path) -> bool:
    """Whether the file that is locked is the one that the next process would find."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), (folder / "lock").stat())
    except FileNotFoundError:
        return False


def is_locked(folder: Path) -> bool:
    """Whether some process holds the study's lock now."""
    try:
        with open(folder / "lock", "rb", opener=without_waiting) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / "lock").read_text(encoding="utf-8"))
        return f"process {owner['process']} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError):  # it is only just writing its name
        return "another process"
