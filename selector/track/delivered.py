"""What a mirror holds of a study, remembered beside the study: runs/STUDY/mirror-PLACE.jsonl.

Asking MLflow costs 2 ms a run; these lines cost microseconds, so a command that goes on with a
study of 10,000 runs knows at once what an earlier one, killed, did not deliver. It may be deleted:
then MLflow is asked. PLACE is a mark of the address, which may hold a password.

    {"format": 1, "experiment": "3", "created": 1700000000000}    what follows is about this one
    {"key": "trials/…/runs/explore-s1000", "run": "…", "mark": "1a2b3c4d"}    over, and all there

Trackers hold a shared lock on it, `sync` an exclusive one: so that no run is made twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from pathlib import Path
from typing import IO

from selector.errors import StudyError
from selector.track.labels import mark
from selector.track.run import Result
from selector.track.store import open_end


class Delivered:
    """The runs of one study that one mirror is known to hold.

    Without a folder to write in, or on a full disk, it remembers for this process only.

    Args:
        folder: the study's.
        place: the mirror's address.
        alone: whether no other process may write to this mirror meanwhile.

    Raises:
        StudyError: another process does.
    """

    def __init__(self, folder: Path, place: str, *, alone: bool = False) -> None:
        self._runs: dict[str, str] = {}
        self._marks: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        path = folder / f"mirror-{mark(place)}.jsonl"
        if not folder.is_dir():
            return
        try:
            self._file = open_end(path)
        except OSError:  # what a link leads to is not ours to write to, either
            return
        try:
            how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            fcntl.flock(self._file, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            who = "another command delivers to" if alone else "`selector sync` completes"
            raise StudyError(
                f"{folder}: {who} this mirror now; try again when it is over"
            ) from error
        except OSError:  # a file system without locks
            pass

    def about(self, experiment: str, created: int) -> None:
        """Read what is known of the experiment; what was noted of an earlier one is forgotten."""
        self._runs, self._marks = {}, {}
        header = {"format": 1, "experiment": experiment, "created": created}
        same = False
        for row in self._rows():
            if "experiment" in row:
                same = row == header
                self._runs, self._marks = {}, {}
            elif same:
                key = str(row.get("key"))
                self._runs[key], self._marks[key] = str(row.get("run")), str(row.get("mark"))
        if not same:
            self._append(header)

    def run(self, key: str) -> str | None:
        """The mirrored run of `key`, where it is known."""
        return self._runs.get(key)

    def holds(self, key: str, result: Result | None) -> bool:
        """Whether everything of a run that ended so is there."""
        return result is not None and self._marks.get(key) == result_mark(result)

    def begun(self, key: str, run: str) -> None:
        """Remember, for this process, where a run is shown that is not over."""
        self._runs[key] = run
        self._marks.pop(key, None)

    def over(self, key: str, run: str, result: Result) -> None:
        """Remember that everything of a run that is over is there."""
        known = self.holds(key, result) and self._runs.get(key) == run
        self._runs[key], self._marks[key] = run, result_mark(result)
        if not known:
            self._append({"key": key, "run": run, "mark": self._marks[key]})

    def close(self) -> None:
        """Release the lock."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what a full disk did not take is tried once more
                self._file.close()
            self._file = None

    def _rows(self) -> list[dict[str, object]]:
        if self._file is None:
            return []
        self._file.seek(0)
        text, rows = self._file.read().decode(errors="replace"), []
        if text and not text.endswith("\n"):
            self._file.write(b"\n")
        for line in text.splitlines():
            with contextlib.suppress(ValueError):  # torn by a crash: that run is looked up again
                row = json.loads(line)
                rows += [row] if isinstance(row, dict) else []
        return rows

    def _append(self, row: dict[str, object]) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(f"{json.dumps(row)}\n".encode())
                self._file.flush()


def result_mark(result: Result) -> str:
    """Eight hex digits that tell how a run ended from how another attempt at it did."""
    what = [result.outcome, result.value, result.steps, result.seconds]
    return mark(json.dumps([*what, sorted(result.metrics.items())]))
