"""MLflow's addresses, and its own database: where it lies, how it comes to be there whole.

It is derived: what is lost of it comes back from the trial folders.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from selector.config.secrets import redacted
from selector.errors import ConfigError

T = TypeVar("T")
_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
#: Their content ends with the process.
_IN_MEMORY = ("", ":memory:")


def refuse_unusable(uri: str) -> None:
    """Refuse an address at which MLflow can keep nothing, before hours of training are told to it.

    Whether anybody answers there is not asked.

    Raises:
        ConfigError: it is no server's or database's, or a database that ends with this process.
    """
    scheme, _, rest = uri.partition("://")
    kind = scheme.partition("+")[0].lower()
    if kind in _SERVERS and "://" in uri:
        good = _has_host(uri)
    elif kind in _DATABASES and "://" in uri:
        good = kind != "sqlite" or rest.removeprefix("/").partition("?")[0] not in _IN_MEMORY
    else:
        good = kind == "databricks" or bool(
            entry_points(group="mlflow.tracking_store", name=scheme)
        )
    if not good:
        raise ConfigError(
            f"{redacted(uri)!r} is no address of an MLflow store that lasts; expected a server"
            " (http://HOST:PORT, https://…, databricks) or a database (sqlite:////FOLDER/mlflow.db,"
            " postgresql://…, mysql://…, mssql://…)"
        )


def _has_host(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).hostname) and uri.isprintable() and " " not in uri
    except ValueError:
        return False


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
