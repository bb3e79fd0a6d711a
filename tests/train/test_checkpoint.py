"""Weights on disk are whole, named by their manifest, and come back bit by bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from selector.train import checkpoint


def test_weights_come_back(tmp_path: Path) -> None:
    row = torch.randn(12, generator=torch.Generator().manual_seed(0))
    weights = {"a": row[:4].view(2, 2), "b": row[4:]}
    checkpoint.save(tmp_path, weights, step=30)
    loaded, step = checkpoint.load(tmp_path)
    assert step == 30
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_the_manifest_vouches_for_the_file(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"a": torch.zeros(3)}, step=1)
    checkpoint.save(tmp_path, {"a": torch.ones(3)}, step=2)
    folder = tmp_path / "checkpoint"
    content = (folder / "weights.safetensors").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert len(manifest.pop("manifest")) == 64  # of the rest of it
    assert manifest == {
        "format": 1,
        "step": 2,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    assert {path.name for path in folder.iterdir()} == {"weights.safetensors", "manifest.json"}


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"a": torch.zeros(3)}, step=1)
    path = tmp_path / "checkpoint" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"expected .* bytes with sha256"):
        checkpoint.load(tmp_path)


def test_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path)
