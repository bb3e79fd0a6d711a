"""Where a run under way leaves the states from which it can go on: FOLDER/checkpoint/step-NUMBER.

The trainer writes and reads them; whoever stores results only needs to remove them once the run is
over. Nothing here needs PyTorch. The weights kept of a run that is over lie beside them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from selector.track.trunk import MANIFEST

_STEP = "step-"
#: What an unreadable one is called from then on, so that nobody tries it again.
SET_ASIDE = ".damaged"


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the run in `folder` leaves its state after `step` steps; names sort by step."""
    return folder / "checkpoint" / f"{_STEP}{step:09d}"


def whole_checkpoints(folder: Path) -> list[Path]:
    """The folders of complete states of the run in `folder`, the newest first."""
    found = [path for path in _all(folder) if not path.name.endswith(SET_ASIDE)]
    return sorted((path for path in found if (path / MANIFEST).is_file()), reverse=True)


def forget_checkpoints(folder: Path, keep: int = 0) -> None:
    """Remove the states of the run in `folder`, those set aside and half written ones too.

    With `keep`, the newest complete ones stay, and the last that was set aside.

    Raises:
        OSError: one is there and cannot be removed.
    """
    kept = set(whole_checkpoints(folder)[:keep])
    if keep:
        kept |= set(sorted(path for path in _all(folder) if path.name.endswith(SET_ASIDE))[-1:])
    for path in _all(folder):
        if path not in kept:
            (path / MANIFEST).unlink(missing_ok=True)  # first: half of one is none
            shutil.rmtree(path)


def set_aside(path: Path) -> None:
    """Take a state that cannot be read out of the way, without losing it."""
    target = path.with_name(path.name + SET_ASIDE)
    shutil.rmtree(target, ignore_errors=True)
    path.rename(target)


def _all(folder: Path) -> list[Path]:
    parent = folder / "checkpoint"
    return list(parent.glob(f"{_STEP}*")) if parent.is_dir() else []
