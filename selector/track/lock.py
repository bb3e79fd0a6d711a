"""One controller a study: a lock on the study's folder that ends with its process, however it ends.

The kernel releases a flock when its holder dies, kill -9 included, so no lock is ever stale. The
file names its owner for the one who is refused; filelock would empty the file before it fails.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selector.errors import StudyError
from selector.track.store import open_end


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the study stored in `folder`.

    Raises:
        StudyError: another process holds it, or the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open_end(folder / "lock")
    except OSError as error:
        raise StudyError(
            f"{folder}: cannot be written to ({error.strerror}); choose another folder with"
            " --runs DIR"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(
                f"{folder}: this study is being run by {_owner(folder)}; wait for it, or end it"
            ) from error
        file.truncate(0)
        owner = json.dumps({"process": os.getpid(), "host": socket.gethostname()})
        file.write(f"{owner}\n".encode())
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Whether some process holds the study's lock now."""
    try:
        with (folder / "lock").open("r", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / "lock").read_text(encoding="utf-8"))
    except ValueError:
        return "another process"
    return f"process {owner['process']} on {owner['host']}"
