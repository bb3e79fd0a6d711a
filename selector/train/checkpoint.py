"""A run's weights on disk: checkpoint/weights.safetensors, and the manifest that vouches for it.

Files appear whole: written beside their place, flushed to the disk, renamed. The manifest comes
last, so where it exists the weights do too, with the size and hash it names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

WEIGHTS, MANIFEST = "weights.safetensors", "manifest.json"


def save(folder: Path, weights: Mapping[str, Tensor], step: int) -> None:
    """Write `weights` after `step` optimizer steps into `folder`/checkpoint."""
    target = folder / "checkpoint"
    target.mkdir(parents=True, exist_ok=True)
    content = safetensors.torch.save(
        {name: weight.detach().cpu().clone() for name, weight in weights.items()}
    )
    manifest = {
        "format": 1,
        "step": step,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    (target / MANIFEST).unlink(missing_ok=True)  # an older one would vouch for other weights
    _write(target / WEIGHTS, content)
    _write(target / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def load(folder: Path) -> tuple[dict[str, Tensor], int]:
    """The weights in `folder`/checkpoint, on the CPU, and after how many steps they were saved.

    Raises:
        FileNotFoundError: no checkpoint was completed there.
        ValueError: the weights are not those that the manifest names.
    """
    source = folder / "checkpoint"
    manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    content = (source / WEIGHTS).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != manifest["sha256"]:
        raise ValueError(
            f"{source / WEIGHTS}: expected {manifest['bytes']} bytes with sha256"
            f" {manifest['sha256']}, got {len(content)} bytes with {found}"
        )
    return safetensors.torch.load(content), int(manifest["step"])


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
