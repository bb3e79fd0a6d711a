"""No process of an earlier controller lives on: what was started is noted, and ended at the start.

Linux ends workers with their controller (`lifeline`), and everywhere they end when their socket
does. This is for those that could do neither: a stopped process, a worker deep in C code on macOS.
A process is the one that was noted only if its id, its start and the machine's boot are the same:
ids are given out again.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from selector.track.store import write_whole

#: In the folder of a study, while a controller has processes.
FILE = "processes.json"
_FORMAT = 1


def note(path: Path, processes: Iterable[int]) -> None:
    """Write down which processes this controller has started."""
    known = [(process, _start(process)) for process in processes]
    rows = [{"process": process, "start": start} for process, start in known if start]
    content = {"format": _FORMAT, "boot": _boot(), "processes": rows}
    write_whole(path, json.dumps(content) + "\n")


def reap(path: Path) -> int:
    """Kill the noted processes that still live, each with its group; forget them; how many."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        same = content["boot"] == _boot()
        rows = [(int(row["process"]), str(row["start"])) for row in content["processes"]]
    except FileNotFoundError:
        return 0
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ):  # it can say nothing; locks do not rest on it
        rows, same = [], False
    killed = 0
    for process, start in rows if same else ():
        if _start(process) == start:
            killed += 1
            for kill in (os.killpg, os.kill):
                with suppress(ProcessLookupError, PermissionError):
                    kill(process, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return killed


def _start(process: int) -> str:
    """When a process began, in words that no other with its id has; '' where it does not run."""
    try:
        if psutil.LINUX:  # ticks since the boot: psutil's time moves with the clock
            text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
            state, *rest = text.rpartition(")")[2].split()
            return "" if state == "Z" else rest[18]
        return repr(psutil.Process(process).create_time())
    except (OSError, psutil.Error, IndexError):
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return repr(psutil.boot_time())
