"""Opening a prepared text, and refusing one that is not there or not whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from selector.config.schema import Data
from selector.errors import DataError
from selector.train.data.corpus import Corpus
from selector.train.data.prepare import describe, prepare


@pytest.fixture
def prepared(tmp_path: Path) -> Data:
    path = tmp_path / "book.txt"
    path.write_text("some text to learn " * 100)
    return prepare(Data(name="text", source="text", paths=(str(path),)), tmp_path, context=16)


def test_tokens_are_read_only(prepared: Data, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        Corpus.open(prepared, tmp_path).part("train")[0] = 1


@pytest.mark.parametrize("fingerprint", ["", "0123456789ab"])
def test_not_prepared(prepared: Data, tmp_path: Path, fingerprint: str) -> None:
    unknown = replace(prepared, fingerprint=fingerprint)
    for call in (Corpus.open, describe):
        with pytest.raises(DataError, match=f"no prepared text '{fingerprint}' in {tmp_path}"):
            call(unknown, tmp_path)


@pytest.mark.parametrize("keep", [0, 1000])
def test_truncated_tokens(prepared: Data, tmp_path: Path, keep: int) -> None:
    tokens = tmp_path / prepared.fingerprint / "tokens.bin"
    tokens.write_bytes(tokens.read_bytes()[:keep])
    with pytest.raises(
        DataError, match=rf"has {keep} bytes and its manifest says 1900; delete .*{tokens.parent}"
    ):
        Corpus.open(prepared, tmp_path)
    tokens.unlink()
    with pytest.raises(DataError, match="has 0 bytes"):
        Corpus.open(prepared, tmp_path)


def test_damaged_manifest(prepared: Data, tmp_path: Path) -> None:
    manifest = tmp_path / prepared.fingerprint / "manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        Corpus.open(prepared, tmp_path)
