"""Where a run leaves the state from which longer ones may start: FOLDER/trunk.

The trainer writes and reads it; whoever asks for runs only needs to know whether it is there, and
to remove it once no run will start from it. Nothing here needs PyTorch.
"""

from __future__ import annotations

import shutil
from pathlib import Path

#: Written last: where it exists, the state does too, with the size and hash it names.
MANIFEST = "manifest.json"


def trunk_folder(folder: Path) -> Path:
    """Where the run in `folder` leaves its trunk."""
    return folder / "trunk"


def has_trunk(folder: Path) -> bool:
    """Whether the run in `folder` left a whole trunk; its content is checked when it is read."""
    return (trunk_folder(folder) / MANIFEST).is_file()


def forget_trunk(folder: Path) -> None:
    """Remove the trunk of the run in `folder`, if there is one; the rest of the run stays.

    The manifest goes first: what an interruption leaves behind is no trunk.

    Raises:
        OSError: it is there and cannot be removed.
    """
    (trunk_folder(folder) / MANIFEST).unlink(missing_ok=True)
    if trunk_folder(folder).exists():
        shutil.rmtree(trunk_folder(folder))
