"""What a run leaves on disk: its weights at the end, and states from which training can go on.

    checkpoint/                 weights.safetensors  manifest.json   of a run that is judged
    checkpoint/step-000001200/  state.safetensors    manifest.json   of a run under way
    trunk/                      state.safetensors    manifest.json   from which longer runs start

Files appear whole: written beside their place, flushed to the disk, renamed. The manifest comes
last, so where it exists the tensors do too, with the size and hash it names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from selector.track.store import write_whole
from selector.track.trunk import MANIFEST, trunk_folder
from selector.train.bank import State

WEIGHTS, STATE = "weights.safetensors", "state.safetensors"
_LOSSES, _NORMS, _BEST = "curve/losses", "curve/norms", "best/"
Row = tuple[int, Mapping[str, float]]
"""Step and what was reported after it."""


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
    """Time that it takes to train up to here, that of a trunk it started from included."""
    rows: Sequence[Row] = ()
    """What the run has reported, in order."""
    best: Mapping[str, Tensor] = field(default_factory=dict)
    """The weights of the best evaluation, where they end the run's patience."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What there is to say so far about how it was trained."""


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
    save_snapshot(trunk_folder(folder), snapshot)


def load_trunk(folder: Path) -> Snapshot:
    """What `save_trunk` wrote into `folder`/trunk, on the CPU.

    Raises:
        FileNotFoundError: no trunk was completed there, or it was removed.
        ValueError: the state is not the one that the manifest names.
    """
    return load_snapshot(trunk_folder(folder))[0]


def save_snapshot(folder: Path, snapshot: Snapshot, **more: Any) -> None:
    """Write `snapshot` into `folder`, and `more` into its manifest.

    Raises:
        OSError: it cannot be written.
    """
    state = snapshot.state
    curves = {_LOSSES: snapshot.losses, _NORMS: snapshot.norms}
    rows = {name: torch.tensor(row, dtype=torch.float64) for name, row in curves.items()}
    best = {f"{_BEST}{name}": weight for name, weight in snapshot.best.items()}
    facts = {
        "step": state.step,
        "seed": state.seed,
        "config": snapshot.config,
        "seconds": snapshot.seconds,
        "rows": [[step, dict(metrics)] for step, metrics in snapshot.rows],
        "facts": dict(snapshot.facts),
    }
    _save(folder / STATE, {**state.tensors, **rows, **best}, {**facts, **more})


def load_snapshot(folder: Path) -> tuple[Snapshot, dict[str, Any]]:
    """What `save_snapshot` wrote into `folder`, on the CPU, and its manifest.

    Raises:
        FileNotFoundError: nothing was completed there, or it was removed.
        ValueError: the state is not the one that the manifest names.
    """
    tensors, manifest = _load(folder / STATE)
    try:
        losses, norms = tensors.pop(_LOSSES).tolist(), tensors.pop(_NORMS).tolist()
        best = {name: tensors.pop(name) for name in list(tensors) if name.startswith(_BEST)}
        snapshot = Snapshot(
            config=str(manifest["config"]),
            state=State(seed=int(manifest["seed"]), step=int(manifest["step"]), tensors=tensors),
            losses=losses,
            norms=norms,
            seconds=float(manifest["seconds"]),
            rows=[(int(step), dict(metrics)) for step, metrics in manifest["rows"]],
            best={name.removeprefix(_BEST): weight for name, weight in best.items()},
            facts=dict(manifest["facts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: is damaged: {error!r}") from error
    return snapshot, manifest


def _save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = safetensors.torch.save(dict(tensors))
    manifest = {
        "format": 1,
        **facts,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    manifest["manifest"] = _digest(manifest)
    target = path.with_name(MANIFEST)
    target.unlink(missing_ok=True)  # an older one would vouch for other tensors
    write_whole(path, content)
    write_whole(target, json.dumps(manifest, indent=1) + "\n")


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    manifest = json.loads(path.with_name(MANIFEST).read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest.pop("manifest", None) != _digest(manifest):
        raise ValueError(f"{path.with_name(MANIFEST)}: is not what was written")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.get("sha256"):
        raise ValueError(
            f"{path}: expected {manifest.get('bytes')} bytes with sha256 {manifest.get('sha256')},"
            f" got {len(content)} bytes with {found}"
        )
    try:
        return safetensors.torch.load(content), manifest
    except safetensors.SafetensorError as error:  # whoever wrote it signed it, too
        raise ValueError(f"{path}: holds no tensors: {error}") from error


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
