"""Where text comes from: the running Python's standard library, or the user's files.

Documents are joined by a newline; a byte order mark is dropped, everything else stays as it is.
The standard library follows `STDLIB`; its files that are not UTF-8 are left out and counted. A
user's own file that cannot be used is a mistake, and all mistakes are told at once.

A folder gives its text files, recursively, in the order of their relative paths: those whose name
ends in one of `SUFFIXES`. Hidden files and folders are ignored. Other and empty files are left out
and counted. Links are followed; a file that is reached twice is read once, so that no text is both
trained and judged on.
"""

from __future__ import annotations

import codecs
import os
import stat
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from selector.config.schema import Data
from selector.errors import DataError

#: Modules and packages (without their tests) that Python 3.11 to 3.14 have; one that this Python
#: lacks is passed over. Left out: tables of numbers (encodings, pydoc_data), and what some
#: distributions package apart (tkinter, idlelib, distutils, venv).
STDLIB = tuple(
    """
    __future__ _collections_abc _markupbase _py_abc _pydecimal _pyio _strptime _threading_local
    _weakrefset abc argparse ast asyncio base64 bdb bisect bz2 calendar cmd code codecs codeop
    collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg csv
    dataclasses datetime decimal difflib dis doctest email enum filecmp fileinput fnmatch fractions
    ftplib functools genericpath getopt getpass gettext glob graphlib gzip hashlib heapq hmac html
    http imaplib importlib inspect io ipaddress json keyword linecache locale logging lzma mailbox
    mimetypes modulefinder multiprocessing netrc ntpath numbers opcode operator optparse os pathlib
    pdb pickle pickletools pkgutil platform plistlib poplib posixpath pprint profile pstats pty
    py_compile pyclbr pydoc queue quopri random re reprlib rlcompleter runpy sched secrets selectors
    shelve shlex shutil signal site smtplib socket socketserver sqlite3 ssl stat statistics string
    stringprep struct subprocess symtable sysconfig tabnanny tarfile tempfile textwrap threading
    timeit token tokenize tomllib trace traceback tracemalloc tty types typing unittest urllib uuid
    warnings wave weakref webbrowser wsgiref xml xmlrpc zipapp zipfile zipimport zoneinfo
    """.split()  # noqa: SIM905 - one name a line would fill the screen
)
#: What counts as text inside a folder, by the end of the name in lower case. A file that is named
#: itself is read whatever its name.
SUFFIXES = frozenset(
    """
    .txt .text .md .markdown .rst .tex .org .adoc .html .htm .xml .csv .tsv .json .jsonl .ndjson
    .yaml .yml .toml .ini .cfg .log .py .pyi .ipynb .c .h .cc .cpp .hpp .cu .cs .java .kt .scala .go
    .rs .js .jsx .ts .tsx .css .sql .sh .rb .pl .php .lua .swift .r .jl .hs .ml .lisp .el .srt
    """.split()  # noqa: SIM905 - one name a line would fill the screen
)
_CHUNK = 1 << 20  # bytes read at once: a text of a gigabyte never stands in memory
_EXPECTED = "expected text in UTF-8"


@dataclass
class Tally:
    """What became of the files while the text was read."""

    documents: int = 0
    """Files that are part of the text."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files that were left out, by reason."""


class _TextError(Exception):
    """A file cannot be used as text; the message says why."""


def read(data: Data, tally: Tally) -> Iterator[bytes]:
    """The text of `data` in pieces; `tally` is complete when the last one has been taken.

    Raises:
        DataError: paths or files that cannot be used, one line each; what was read is void.
    """
    return SOURCES[data.source](data, tally)


def _stdlib(data: Data, tally: Tally) -> Iterator[bytes]:
    """The sources of the modules of `STDLIB` that this Python has, in the order of the list."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for file in _stdlib_files(root):
        try:
            text = b"".join(_pieces(file))
        except _TextError:
            tally.skipped["not UTF-8"] += 1
        except OSError:
            tally.skipped["not readable"] += 1
        else:
            yield from _document(iter([text] if text else []), tally)
    if not tally.documents:
        raise DataError(
            f"data.source: stdlib needs the standard library's .py files, and {shown(root)} has"
            " none of them; expected a Python with its sources, or data=text with data.paths"
        )


def _stdlib_files(root: Path) -> Iterator[Path]:
    for name in STDLIB:
        module = root / f"{name}.py"
        if module.is_file():
            yield module
        for file in sorted((root / name).rglob("*.py")):
            if not {"test", "tests"} & set(file.relative_to(root).parts):
                yield file


def _files(data: Data, tally: Tally) -> Iterator[bytes]:
    """The user's files and the text files of the user's folders, in the order of `data.paths`."""
    mistakes: list[str] = []
    seen: set[tuple[int, int]] = set()
    for place, given in enumerate(data.paths):
        path = Path(given)
        try:
            path = path.expanduser()
            files = _found(path, tally)
        except (_TextError, OSError, ValueError, RuntimeError) as error:
            mistakes.append(_mistake(place, path, error))
            continue
        hold_text = False
        for file in files:
            try:
                if _is_new(file, seen):
                    documents = tally.documents
                    yield from _document(_pieces(file), tally)
                    hold_text |= tally.documents > documents
                else:
                    tally.skipped["reached twice"] += 1
                    hold_text = True
            except (_TextError, OSError) as error:
                mistakes.append(_mistake(place, file, error))
                hold_text = True
        if not hold_text:
            mistakes.append(_mistake(place, path, _TextError(_nothing_in(path))))
    if mistakes:
        raise DataError(mistakes)


#: Where text comes from, by `data.source`.
SOURCES: dict[str, Callable[[Data, Tally], Iterator[bytes]]] = {"stdlib": _stdlib, "text": _files}


def _document(pieces: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    """One more document, a newline before it unless it is the first; an empty one is left out."""
    first = next(pieces, None)
    if first is None:
        tally.skipped["empty"] += 1
        return
    if tally.documents:
        yield b"\n"
    tally.documents += 1
    yield first
    yield from pieces


def _found(path: Path, tally: Tally) -> list[Path]:
    """The file `path`, or the text files below the folder `path` in a fixed order."""
    if stat.S_ISREG(path.stat().st_mode):
        return [path]
    if not path.is_dir():  # a pipe or a device would block whoever reads it
        raise _TextError("is neither a file nor a folder; " + _EXPECTED)
    files = []
    for file in _below(path, set()):
        special = file.exists() and not file.is_file()  # a broken link is told when it is read
        if file.suffix.lower() in SUFFIXES and not special:
            files.append(file)
        else:
            tally.skipped["not named as text"] += 1
    return files


def _below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Everything below `folder` that is not a folder and not hidden; each folder once."""
    if not _is_new(folder, seen):
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _below(entry, seen)
        else:
            yield entry


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether what `path` leads to was not seen before; from now on it was."""
    status = path.stat()
    identity = (status.st_dev, status.st_ino)
    new = identity not in seen
    seen.add(identity)
    return new


def _nothing_in(path: Path) -> str:
    if path.is_file():
        return f"is empty; {_EXPECTED}"
    return f"is a folder without text; expected files that end in {' '.join(sorted(SUFFIXES))}"


def _pieces(file: Path) -> Iterator[bytes]:
    """The content of `file` without its byte order mark, in pieces that are not empty.

    Raises:
        _TextError: a NUL byte, or a byte that is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with file.open("rb") as stream:
        while True:
            piece = stream.read(_CHUNK)
            if (place := piece.find(0)) >= 0:
                raise _TextError(
                    f"has a NUL byte at offset {offset + place}, so it is binary or UTF-16;"
                    f" {_EXPECTED}"
                )
            begun = len(decoder.getstate()[0])  # bytes of a character that the last piece cut
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                wrong = error.object[error.start]
                raise _TextError(
                    f"is not UTF-8: byte 0x{wrong:02x} at offset {offset - begun + error.start};"
                    f" {_EXPECTED} (iconv -f latin1 -t utf-8 converts Latin-1)"
                ) from error
            if not piece:
                return
            text = piece.removeprefix(codecs.BOM_UTF8) if offset == 0 else piece
            if text:
                yield text
            offset += len(piece)


def _mistake(place: int, path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        reason = "does not exist; expected a text file or a folder of text files"
    elif isinstance(error, OSError):
        path = Path(error.filename or path)  # a folder may fail somewhere below
        reason = f"cannot be read ({error.strerror or error}); {_EXPECTED}"
    else:
        reason = str(error)
    return f"data.paths[{place}]: {shown(path)} {reason}"


def shown(path: Path) -> str:
    """`path` for a message; bytes of its name that are not UTF-8 appear as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
