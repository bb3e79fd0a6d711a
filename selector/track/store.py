"""Where a record's files live: a folder, or memory. Files appear whole; readers see no half.

One small seam (write, append, read, names), so that the record's logic exists once.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from selector.errors import SelectorError, StorageError, StudyError

#: What reading a file that is not there raises; the second below a file instead of a folder.
_ABSENT = (FileNotFoundError, NotADirectoryError)
#: What a person named wrongly, or must allow: everything else is the disk's fault.
_ASKED_WRONGLY = (
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
    *(errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.ESPIPE),
)
#: Names that `write_whole` gives to what it has not finished: file, process, thread.
_TEMPORARY = re.compile(r"\..+\.\d+-\d+")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What the system says of a disk that is full, read-only or broken, wherever that is met.
DISK = (*_FULL, errno.EROFS, errno.EIO)


class Store(ABC):
    """Files by relative name, with forward slashes."""

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Make the file hold `text`: afterwards it is there whole, before it is as it was."""

    @abstractmethod
    def append(self, name: str, text: str) -> None:
        """Add `text` at the end of the file; a crash may tear the last line."""

    def flush(self, name: str) -> None:  # noqa: B027 - memory has nothing to do
        """Make what was appended to the file durable; nothing happens where it is not there."""

    @abstractmethod
    def rename(self, name: str, other: str) -> None:
        """Give the file another name, in the place of what had it."""

    @abstractmethod
    def read(self, name: str) -> str | None:
        """The file's text; None where it is not there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Make the file be gone; nothing happens where it was not there."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Names of the entries directly in `folder`, sorted; empty where it is not there."""

    def path(self, name: str) -> Path | None:
        """The file or folder on disk; None where the store has no disk."""
        return None

    def lines(self, name: str) -> Iterator[str]:
        """Whole lines of a file; a torn last line is dropped."""
        for line in (self.read(name) or "").splitlines(keepends=True):
            if line.endswith("\n"):
                yield line


class MemoryStore(Store):
    """A store that ends with its process: for tests and simulations."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._folders: dict[str, dict[str, None]] = {}

    def write(self, name: str, text: str) -> None:
        """Keep `text` under `name`."""
        if name not in self.files:
            parent, _, leaf = name.rpartition("/")
            while leaf not in self._folders.setdefault(parent, {}):
                self._folders[parent][leaf] = None
                if not parent:
                    break
                parent, _, leaf = parent.rpartition("/")
        self.files[name] = text

    def append(self, name: str, text: str) -> None:
        """Add `text` to what is kept under `name`."""
        self.write(name, self.files.get(name, "") + text)

    def rename(self, name: str, other: str) -> None:
        """Keep what is kept under `name` under another one."""
        text = self.files[name]
        self.remove(name)
        self.write(other, text)

    def read(self, name: str) -> str | None:
        """What is kept under `name`."""
        return self.files.get(name)

    def remove(self, name: str) -> None:
        """Forget what is kept under `name`."""
        if self.files.pop(name, None) is not None:
            parent, _, leaf = name.rpartition("/")
            del self._folders[parent][leaf]

    def names(self, folder: str) -> list[str]:
        """Entries of `folder`."""
        return sorted(self._folders.get(folder, {}))


class FolderStore(Store):
    """Files below one folder of the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = Path(os.path.realpath(root.parent)) / root.name

    def write(self, name: str, text: str) -> None:
        """Write to a temporary file beside it, flush it to the disk, rename it into place."""
        write_whole(self._inside(name), text)

    def append(self, name: str, text: str) -> None:
        """Append; where the last line was torn, a new line is begun first."""
        path = self._inside(name)
        with _named_errors(path):
            make_folder(path.parent)
            with open_end(path) as file:
                size = file.seek(0, os.SEEK_END)
                if size:
                    file.seek(size - 1)
                    if file.read(1) != b"\n":
                        file.truncate(_end_of_last_line(path))
                file.write(text.encode())

    def flush(self, name: str) -> None:
        """Wait until the disk has it."""
        path = self.root / name
        with suppress(*_ABSENT), _named_errors(path, _ABSENT), path.open("rb") as file:
            os.fsync(file.fileno())

    def rename(self, name: str, other: str) -> None:
        """Rename it, durably."""
        path = self._inside(other)
        with _named_errors(path):
            (self.root / name).replace(path)
            _fsync_folder(path.parent)

    def read(self, name: str) -> str | None:
        """The file's text."""
        path = self.root / name
        with (
            suppress(*_ABSENT),
            _named_errors(path, _ABSENT),
            open(path, "rb", opener=without_waiting) as file,
        ):
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StudyError(f"{path}: expected a file, got something else of that name")
            return file.read().decode(errors="replace")
        return None

    def remove(self, name: str) -> None:
        """Delete the file."""
        path = self._inside(name)
        with _named_errors(path):
            path.unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """Entries of `folder`, without temporary files."""
        path = self.root / folder
        with suppress(*_ABSENT), _named_errors(path, _ABSENT):
            return sorted(item.name for item in path.iterdir() if not item.name.startswith("."))
        return []

    def path(self, name: str) -> Path:
        """Where it lies."""
        return self.root / name

    def _inside(self, name: str) -> Path:
        """Where it lies, for writing.

        Raises:
            StudyError: a link on the way, or the folder itself as one, leads elsewhere.
        """
        path = self.root / name
        real = os.path.realpath(path.parent)
        if not Path(real).is_relative_to(self._real):
            raise StudyError(
                f"{path.parent}: a link leads from there to {real}, and nothing is written through"
                f" links that leave {self.root}; move the folder back, or choose another with"
                " --runs DIR"
            )
        return path


def open_end(path: Path) -> IO[bytes]:
    """`path` open for reading and for adding at its end, and for nothing that a link stands for."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o666), "ab+")


def write_whole(path: Path, content: str | bytes) -> None:
    """Make `path` hold `content` (text as UTF-8), whole or not at all, durable on return.

    Raises:
        StudyError: the folder cannot be written to.
        StorageError: the disk is full, read-only, or fails.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    with _named_errors(path):
        make_folder(path.parent)
        try:
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _fsync_folder(path.parent)  # the rename itself is durable only when its folder is


def make_folder(folder: Path) -> None:
    """Make the folder and those above it; what is stored in a new one is found after power loss."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary files that processes left which were killed while they wrote.

    Raises:
        StorageError: one cannot be removed.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and _TEMPORARY.fullmatch(name):
                path = Path(place) / name
                with _named_errors(path):
                    path.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open` that a pipe in the place of a file does not keep waiting."""
    return os.open(path, flags | os.O_NONBLOCK)


@contextmanager
def _named_errors(
    path: Path, absent: tuple[type[OSError], ...] = (FileNotFoundError,)
) -> Iterator[None]:
    """Turn what the system refuses into an error that names the file.

    Raises:
        OSError: one of `absent`, which the caller takes for a file that is not there.
        StudyError: a person has to allow it, or to name another place.
        StorageError: the disk is full, read-only, or fails.
    """
    try:
        yield
    except absent:
        raise
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> SelectorError:
    """What to tell a person about a file that the system does not let us use."""
    text = f"{path}: {error.strerror or error}"
    if error.errno in _ASKED_WRONGLY:
        return StudyError(text)
    if error.errno in _FULL:
        return StorageError(f"{text}. What is stored stays usable: free some space, then go on")
    if error.errno == errno.EROFS:
        return StorageError(f"{text}: make it writable, or choose another folder with --runs DIR")
    return StorageError(f"{text}. What is stored stays usable: see to the disk, then go on")


def _end_of_last_line(path: Path) -> int:
    """Length of the file up to and including its last line end."""
    return path.read_bytes().rfind(b"\n") + 1
