"""Where a record's files live: a folder, or memory. Files appear whole; readers see no half.

One small seam (write, append, read, names), so that the record's logic exists once.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from selector.errors import StudyError

#: What reading a file that is not there raises; the second below a file instead of a folder.
_ABSENT = (FileNotFoundError, NotADirectoryError)


class Store(ABC):
    """Files by relative name, with forward slashes."""

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Make the file hold `text`: afterwards it is there whole, before it is as it was."""

    @abstractmethod
    def append(self, name: str, text: str) -> None:
        """Add `text` at the end of the file; a crash may tear the last line."""

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
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_end(path) as file:
                size = file.seek(0, os.SEEK_END)
                if size:
                    file.seek(size - 1)
                    if file.read(1) != b"\n":
                        file.truncate(_end_of_last_line(path))
                file.write(text.encode())

    def read(self, name: str) -> str | None:
        """The file's text."""
        path = self.root / name
        with suppress(*_ABSENT), _named_errors(path, _ABSENT):
            return path.read_text(encoding="utf-8", errors="replace")
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
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    with _named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself is durable only when its folder is
        finally:
            os.close(folder)


@contextmanager
def _named_errors(
    path: Path, absent: tuple[type[OSError], ...] = (FileNotFoundError,)
) -> Iterator[None]:
    """Turn what the system refuses into an error that names the file.

    Raises:
        OSError: one of `absent`, which the caller takes for a file that is not there.
        StudyError: it cannot be used: no permission, no space, a file where a folder should be.
    """
    try:
        yield
    except absent:
        raise
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from error


def _end_of_last_line(path: Path) -> int:
    """Length of the file up to and including its last line end."""
    return path.read_bytes().rfind(b"\n") + 1
