"""What the system says of processes: when one began, who is in its group, what memory it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def start(process: int) -> str:
    """When a process began, in words that no other with its id has; '' where it does not run."""
    try:
        if psutil.LINUX:  # ticks since the boot: psutil's time moves with the clock
            text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
            state, *rest = text.rpartition(")")[2].split()
            return "" if state == "Z" else rest[18]
        return repr(psutil.Process(process).create_time())
    except (OSError, psutil.Error, IndexError):
        return ""


def boot() -> str:
    """Which boot of the machine this is: process ids begin again with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return repr(psutil.boot_time())


def members(group: int) -> Iterator[int]:
    """The processes of a group, which a worker's own processes are in unless they leave it."""
    for process in psutil.pids():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process) == group:
                yield process


def marked(name: str, value: str) -> Iterator[int]:
    """The processes that began with this variable in their environment, where it can be read."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                yield process.pid


def resident(process: int) -> int:
    """Bytes of memory that a process holds, those it shares with others too; 0: it is gone."""
    with suppress(psutil.Error):
        return int(psutil.Process(process).memory_info().rss)
    return 0


def memory_kills() -> int:
    """Processes that the kernel has killed for memory in this control group (cgroup v2, Linux).

    Where the kernel does not tell, always 0: a worker it killed then counts as lost.
    """
    with suppress(OSError, ValueError, IndexError, KeyError):
        group = Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].split("::")[1]
        events = Path(f"/sys/fs/cgroup{group}/memory.events").read_text()
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])
    return 0
