"""MLflow's own database: where it lies, and how it comes to be there whole.

It is derived: what is lost of it comes back from the trial folders.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from selector.errors import ConfigError

T = TypeVar("T")


def default_uri(runs: Path) -> str:
    """Address of the SQLite store in the folder `runs`, whose path may hold odd characters.

    Raises:
        ConfigError: the installed SQLAlchemy has no way to write this path as an address.
    """
    path = (runs.absolute() / "mlflow.db").as_posix()
    written = _address(path)
    if written is None:
        raise ConfigError(
            f"runs: MLflow cannot keep its store under {str(runs)!r} ('%' or '?' in the path);"
            " choose another folder (--runs DIR) or tracker=none"
        )
    return written


def opened(uri: str, client: Callable[[str], T]) -> T:
    """`client(uri)`, which makes the tables of a database that is not there yet.

    MLflow's migrations take seconds, fail where two processes make one database, and leave one
    that never opens again where they are killed. So one process makes it, under another name, and
    gives it its own name when it is whole. The lock is on the folder: no file is left behind.
    """
    file = _database(uri)
    if file is None:
        return client(uri)
    with _locked(file.parent):
        new = file.with_name(f".{file.name}.new")
        address = _address(new.as_posix())
        if address is not None and not (file.exists() and file.stat().st_size):
            for left in (new, *(Path(f"{new}-{end}") for end in ("journal", "wal", "shm"))):
                left.unlink(missing_ok=True)
            client(address)
            new.replace(file)
        return client(uri)


def _address(path: str) -> str | None:
    """The absolute path of a database as SQLAlchemy's address."""
    if not {"%", "?"} & set(path):
        return f"sqlite:///{path}"
    from sqlalchemy.engine import make_url

    # SQLAlchemy decodes %XX from 2.1 on, and does not before.
    for written in (path, path.replace("%", "%25").replace("?", "%3F")):
        if make_url(f"sqlite:///{written}").database == path:
            return f"sqlite:///{written}"
    return None


def _database(uri: str) -> Path | None:
    """The file of an SQLite database in a folder that is there."""
    if not uri.startswith("sqlite:"):
        return None
    from sqlalchemy.engine import make_url

    database = make_url(uri).database
    file = Path(database).absolute() if database and database != ":memory:" else None
    return file if file is not None and file.parent.is_dir() else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
