"""What a run leaves on disk: its weights at the end, and the state from which longer runs start.

    checkpoint/  weights.safetensors  manifest.json
    trunk/       state.safetensors    manifest.json

Files appear whole: written beside their place, flushed to the disk, renamed. The manifest comes
last, so where it exists the tensors do too, with the size and hash it names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from selector.track.trunk import MANIFEST, trunk_folder
from selector.train.bank import State

WEIGHTS, STATE = "weights.safetensors", "state.safetensors"
_LOSSES, _NORMS = "curve/losses", "curve/norms"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A run in the middle of its training: all it takes to go on as if nothing had happened."""

    config: str
    """Digest of the configuration but for its schedule and averages: the state has their past."""
    state: State
    losses: Sequence[float]
    """Training losses of the steps made, [step]."""
    norms: Sequence[float]
    """Gradient norms before clipping, [step]."""
    seconds: float
    """Time spent training and evaluating up to here."""


def save(folder: Path, weights: Mapping[str, Tensor], step: int) -> None:
    """Write `weights` after `step` optimizer steps into `folder`/checkpoint."""
    copies = {name: weight.detach().cpu().clone() for name, weight in weights.items()}
    _save(folder / "checkpoint" / WEIGHTS, copies, {"step": step})


def load(folder: Path) -> tuple[dict[str, Tensor], int]:
    """The weights in `folder`/checkpoint, on the CPU, and after how many steps they were saved.

    Raises:
        FileNotFoundError: no checkpoint was completed there.
        ValueError: the weights are not those that the manifest names.
    """
    weights, manifest = _load(folder / "checkpoint" / WEIGHTS)
    return weights, int(manifest["step"])


def save_trunk(folder: Path, snapshot: Snapshot) -> None:
    """Write `snapshot` into `folder`/trunk."""
    state = snapshot.state
    curves = {_LOSSES: snapshot.losses, _NORMS: snapshot.norms}
    rows = {name: torch.tensor(row, dtype=torch.float64) for name, row in curves.items()}
    facts = {
        "step": state.step,
        "seed": state.seed,
        "config": snapshot.config,
        "seconds": snapshot.seconds,
    }
    _save(trunk_folder(folder) / STATE, {**state.tensors, **rows}, facts)


def load_trunk(folder: Path) -> Snapshot:
    """What `save_trunk` wrote into `folder`/trunk, on the CPU.

    Raises:
        FileNotFoundError: no trunk was completed there, or it was removed.
        ValueError: the state is not the one that the manifest names.
    """
    tensors, manifest = _load(trunk_folder(folder) / STATE)
    losses, norms = tensors.pop(_LOSSES).tolist(), tensors.pop(_NORMS).tolist()
    state = State(seed=int(manifest["seed"]), step=int(manifest["step"]), tensors=tensors)
    return Snapshot(
        config=str(manifest["config"]),
        state=state,
        losses=losses,
        norms=norms,
        seconds=float(manifest["seconds"]),
    )


def _save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = safetensors.torch.save(dict(tensors))
    manifest = {
        "format": 1,
        **facts,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    target = path.with_name(MANIFEST)
    target.unlink(missing_ok=True)  # an older one would vouch for other tensors
    _write(path, content)
    _write(target, (json.dumps(manifest, indent=2) + "\n").encode())


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    manifest = json.loads(path.with_name(MANIFEST).read_text(encoding="utf-8"))
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != manifest["sha256"]:
        raise ValueError(
            f"{path}: expected {manifest['bytes']} bytes with sha256 {manifest['sha256']}, got"
            f" {len(content)} bytes with {found}"
        )
    return safetensors.torch.load(content), manifest


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
