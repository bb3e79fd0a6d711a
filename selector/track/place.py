"""What kind of place a folder is: room, speed of a safe write, locks, and what it lies on."""

from __future__ import annotations

import fcntl
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_WRITES = 20  # small safe writes that are timed; the median is of interest, not a burst
_MOUNTS = Path("/proc/self/mountinfo")
#: File systems of other machines, where a lock or a flush may not mean what it says.
_NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "lustre", "beegfs"),
    *("gpfs", "glusterfs", "pvfs2", "virtiofs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs"),
    *("fuse.rclone", "fuse.gcsfuse", "fuse.juicefs"),
)
_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True, kw_only=True)
class Place:
    """What was found out about a folder."""

    folder: Path
    """What was tried: the folder, or the nearest one above it that exists."""
    mistake: str = ""
    """Why nothing can be written there; '' where it can."""
    free_bytes: int = 0
    write_seconds: float = 0.0
    """Median time of writing a few bytes and waiting until the disk has them (fsync)."""
    locks: bool = False
    """Whether a lock keeps a second process out."""
    filesystem: str = ""
    """The kernel's name for it; '' where it does not tell."""

    @property
    def kind(self) -> str:
        """`network`, `overlay`, `memory` or `disk`."""
        if self.filesystem in _NETWORK:
            return "network"
        if self.filesystem in _MEMORY:
            return "memory"
        return "overlay" if "overlay" in self.filesystem else "disk"


def look(folder: Path) -> Place:
    """Try `folder`, or the nearest folder above it; nothing is left there."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    filesystem = _filesystem(existing)
    try:
        free = shutil.disk_usage(existing).free
        with tempfile.TemporaryDirectory(prefix=".selector-", dir=existing) as name:
            inside = Path(name)
            return Place(
                folder=existing,
                free_bytes=free,
                write_seconds=_write_seconds(inside / "written"),
                locks=_locks(inside / "lock"),
                filesystem=filesystem,
            )
    except OSError as error:
        return Place(folder=existing, filesystem=filesystem, mistake=error.strerror or str(error))


def _write_seconds(path: Path) -> float:
    taken = []
    with path.open("ab", buffering=0) as file:
        for _ in range(_WRITES):
            before = time.perf_counter()
            file.write(b"written\n")
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - before)
    return statistics.median(taken)


def _locks(path: Path) -> bool:
    """Whether a flock taken through one file is refused through another."""
    with path.open("w") as first, path.open("w") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def _filesystem(folder: Path) -> str:
    """The type of the last mount whose point is above `folder`, from proc(5)'s mountinfo."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
        real = folder.resolve()
    except OSError:
        return ""
    found, longest = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if real.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = after.split()[0], len(point.parts)
    return found
