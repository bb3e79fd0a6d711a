"""A prepared text: its tokens as a memory map, cut into train, validation and test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from selector.config.schema import Data
from selector.errors import DataError

TOKENS, MANIFEST = "tokens.bin", "manifest.json"
#: Number of distinct tokens and type of the stored token, by `data.tokenizer`.
TOKENIZERS: dict[str, tuple[int, str]] = {"byte": (256, "uint8")}


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The tokens of a prepared text, read from disk where they are used."""

    tokens: npt.NDArray[Any]
    """All of them, [n], read-only."""
    parts: Mapping[str, tuple[int, int]]
    """train, validation, test: first token and the one after the last."""
    vocabulary: int
    """Number of distinct tokens."""

    @classmethod
    def open(cls, data: Data, folder: Path) -> Self:
        """The corpus that `data.fingerprint` names among the prepared ones in `folder`.

        Raises:
            DataError: it is not there, or not whole.
        """
        manifest = read_manifest(data, folder)
        path = folder / data.fingerprint / TOKENS
        dtype = np.dtype(manifest["dtype"])
        stored = path.stat().st_size if path.is_file() else 0
        expected = max(end for _, end in manifest["parts"].values()) * dtype.itemsize
        if stored != expected:
            raise DataError(
                f"data.fingerprint: {path} has {stored} bytes and its manifest says {expected};"
                f" delete {path.parent}, and the text is prepared again"
            )
        return cls(
            tokens=np.memmap(path, dtype=dtype, mode="r"),
            parts={name: (start, end) for name, (start, end) in manifest["parts"].items()},
            vocabulary=manifest["vocabulary"],
        )

    def part(self, name: str) -> npt.NDArray[Any]:
        """The tokens of train, validation or test, [n]; without a copy."""
        start, end = self.parts[name]
        return self.tokens[start:end]


def read_manifest(data: Data, folder: Path) -> dict[str, Any]:
    """What manifest.json says about the prepared text that `data.fingerprint` names.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    path = folder / (data.fingerprint or "not-prepared") / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"data.fingerprint: no prepared text {data.fingerprint!r} in {folder}; expected"
            f" {path}, which preparing the same text again writes"
        ) from None
    except ValueError as error:
        raise DataError(
            f"data.fingerprint: {path} is damaged ({error}); delete {path.parent}, and the text"
            " is prepared again"
        ) from error
    return manifest
