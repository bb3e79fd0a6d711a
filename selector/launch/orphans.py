"""No process of an earlier controller lives on: what was started is noted, and ended at the start.

Linux ends workers with their controller (`lifeline`), and everywhere they end when their socket
does. This is for those that could do neither: on macOS a stopped worker or one deep in C code, and
everywhere what a user's function has started itself.
A process is the one that was noted only if its id, its start and the machine's boot are the same:
ids are given out again. What it has started bears a mark, a variable in its environment.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from selector.launch.processes import boot, marked, start
from selector.track.store import write_whole

#: In the folder of a study, while a controller has processes.
FILE = "processes.json"
_FORMAT = 1


#: Variable in the environment of the forkserver and of all that comes from it.
MARK = "SELECTOR_PROCESSES"


def note(path: Path, processes: Iterable[int], mark: str) -> None:
    """Write down which processes this controller has started, and the mark that they bear."""
    known = [(process, start(process)) for process in processes]
    rows = [{"process": process, "start": began} for process, began in known if began]
    content = {"format": _FORMAT, "boot": boot(), "mark": mark, "processes": rows}
    write_whole(path, json.dumps(content) + "\n")


def reap(path: Path) -> int:
    """Kill the noted processes that still live, each with its group; forget them; how many."""
    rows, mark = _noted(path)
    left = [process for process, began in rows if start(process) == began]
    left += [process for process in marked(MARK, mark) if process not in left] if mark else []
    for process in left:
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(process, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return len(left)


def _noted(path: Path) -> tuple[list[tuple[int, str]], str]:
    """(process, start) and the mark; nothing of another boot, or where the note is damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):  # a study never waits for a note
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [(int(row["process"]), str(row["start"])) for row in content["processes"]]
        if content["boot"] == boot():
            return rows, str(content["mark"])
    return [], ""
