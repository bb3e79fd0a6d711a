"""Text to tokens on disk: read, tokenize, split, hash, store once under the hash.

A prepared text lies in FOLDER/FINGERPRINT/ as tokens.bin (one number a token, `dtype` of the
manifest) and manifest.json, which is written last: where it is, the text is whole. The fingerprint
covers tokens, split, tokenizer and `data.version`, never paths or times: the text is read and
hashed at every call, and equal text is the same data set wherever it lies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import platform
import secrets
import shutil
import tempfile
from bisect import bisect_left
from pathlib import Path
from typing import IO, Any

from selector.config.identity import digest
from selector.config.schema import Data
from selector.errors import DataError, StudyError
from selector.track.store import DISK, refused
from selector.train.data.corpus import MANIFEST, TOKENIZERS, TOKENS, read_manifest
from selector.train.data.sources import Tally, read, shown

#: Windows that a part must hold at least; fewer say nothing.
_LEAST_WINDOWS = {"train": 2, "validation": 1, "test": 1}


def prepare(data: Data, folder: Path, *, context: int) -> Data:
    """`data` with the fingerprint and vocabulary of its text, whose tokens then lie in `folder`.

    Several processes may prepare the same text at once.

    Raises:
        DataError: the text cannot be used, or is too short for windows of `context` tokens.
        StudyError: `folder` cannot be written.
        StorageError: the disk is full, read-only, or fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # without a name: nothing is left of it, however this process ends
        with tempfile.TemporaryFile(dir=folder) as spool:
            return _prepare(data, folder, context, spool)
    except OSError as error:  # reading has turned its own into DataError
        if error.errno in DISK:
            raise refused(folder, error) from error
        raise StudyError(
            f"prepared text cannot be written to {shown(folder)} ({error.strerror or error});"
            " expected a folder that is writable and has room, see --runs"
        ) from error


def _prepare(data: Data, folder: Path, context: int, spool: IO[bytes]) -> Data:
    tally, hashing, length = Tally(), hashlib.sha256(), 0
    for piece in read(data, tally):  # byte tokens: the text is its own token file
        hashing.update(piece)
        spool.write(piece)
        length += len(piece)
    _refuse_short(data, length, context)
    parts = split(data, length)
    vocabulary, dtype = TOKENIZERS[data.tokenizer]
    content = {
        "tokens": hashing.hexdigest(),
        "parts": parts,
        "tokenizer": data.tokenizer,
        "version": data.version,
    }
    prepared = dataclasses.replace(data, fingerprint=digest(content), vocabulary=vocabulary)
    manifest = {
        "format": 1,
        "fingerprint": prepared.fingerprint,
        "source": data.source,
        "tokenizer": data.tokenizer,
        "vocabulary": vocabulary,
        "dtype": dtype,
        "parts": parts,
        "documents": tally.documents,
        "skipped": dict(sorted(tally.skipped.items())),
        "bytes": length,
        "python": platform.python_version(),
    }
    _store(spool, hashing.digest(), manifest, folder / prepared.fingerprint)
    return prepared


def describe(data: Data, folder: Path) -> dict[str, Any]:
    """The manifest of the prepared `data`, and `tokens`: how many each part has.

    Raises:
        DataError: `data` is not prepared.
    """
    manifest = read_manifest(data, folder)
    tokens = {name: end - start for name, (start, end) in manifest["parts"].items()}
    return {**manifest, "tokens": tokens}


def split(data: Data, length: int) -> dict[str, list[int]]:
    """Where train, test and validation begin and end, in this order, in `length` tokens.

    The validation part is the last, so that without a test part `validation_share: 0.1` is the
    first 90 % and the last 10 %, int(length * 0.9), as nanoGPT's data/shakespeare_char/prepare.py.
    """
    # rounded: 1 - .05 - .05 is .8999999999999999 in binary, and int() would lose a token
    train = int(length * round(1 - data.validation_share - data.test_share, 12))
    test = int(length * round(1 - data.validation_share, 12))
    return {"train": [0, train], "validation": [test, length], "test": [train, test]}


def _refuse_short(data: Data, length: int, context: int) -> None:
    """Raise where a part is too short, with the length that would do and the context that fits."""
    if _largest_context(data, length) >= context:
        return
    longer = range(length, 10**12)
    needed = longer.start + bisect_left(
        longer, context, key=lambda length: _largest_context(data, length)
    )
    fits = _largest_context(data, length)
    way_out = f"batch.context={fits} or smaller, or " if fits >= 1 else ""
    where = ", ".join(data.paths) or f"source {data.source}"
    raise DataError(
        f"data: the text ({where}) has {length} tokens, too few for batch.context={context} with"
        f" validation_share={data.validation_share} and test_share={data.test_share}; expected"
        f" {way_out}at least {needed} tokens"
    )


def _largest_context(data: Data, length: int) -> int:
    """The longest context whose windows fit into every part of a text of `length` tokens."""
    tokens = {name: end - start for name, (start, end) in split(data, length).items()}
    if data.test_share == 0:
        del tokens["test"]
    return min(count // _LEAST_WINDOWS[name] for name, count in tokens.items()) - 1


def _store(spool: IO[bytes], sha256: bytes, manifest: dict[str, Any], folder: Path) -> None:
    """Put tokens and manifest into `folder`, the manifest last; what is there already stays."""
    folder.mkdir(exist_ok=True)
    tokens, described = folder / TOKENS, folder / MANIFEST
    text = (json.dumps(manifest, indent=2) + "\n").encode()
    if not (tokens.is_file() and _sha256(tokens) == sha256):
        spool.seek(0)
        _appear(tokens, spool)
    if not (described.is_file() and described.read_bytes() == text):
        _appear(described, io.BytesIO(text))


def _sha256(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _appear(path: Path, content: IO[bytes]) -> None:
    """Write the file `path` so that others see it whole or not at all."""
    # not mkstemp: its mode 0600 would hide a shared folder from a team, whatever their umask
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            shutil.copyfileobj(content, stream, 1 << 20)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
