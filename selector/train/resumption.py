"""A run goes on after its worker, its controller or the machine has died: states on the way.

A state is written beside the training, and the newest two stay, so that one which cannot be read
costs the time since the one before. What is written never changes what is trained.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import torch
from safetensors import SafetensorError

from selector.errors import SelectorError
from selector.track.checkpoints import (
    checkpoint_folder,
    forget_checkpoints,
    set_aside,
    whole_checkpoints,
)
from selector.track.run import Run
from selector.train.checkpoint import Snapshot, load_snapshot, save_snapshot

_KEEP = 2
_log = logging.getLogger(__name__)  # without a handler: the worker's, so the run's, log


class Checkpoints:
    """The states that one run leaves on its way, and finds from an earlier attempt.

    Says in the run's log what goes wrong.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._fingerprint = run, run.fingerprint
        self._seconds = run.checkpoint_seconds if run.folder is not None else 0.0
        self._last = monotonic()
        self._writing: threading.Thread | None = None
        self._damaged = self._missed = 0

    @property
    def on(self) -> bool:
        """Whether states are left at all."""
        return self._seconds > 0

    @property
    def due(self) -> bool:
        """Whether the last one is old enough; never while one is being written."""
        return self.on and not self._busy and monotonic() - self._last >= self._seconds

    def found(self) -> Iterator[tuple[Path, Snapshot]]:
        """The whole states of this very run, each with its folder, the newest first."""
        if not self.on or self._run.folder is None:
            return
        for path in whole_checkpoints(self._run.folder):
            try:
                snapshot, manifest = load_snapshot(path)
                if manifest.get("run") != self._fingerprint:
                    raise ValueError(f"{path}: was left by another run")
            except (OSError, ValueError, SafetensorError, RecursionError) as error:
                self.set_aside(path, error)
                continue
            yield path, snapshot

    def set_aside(self, path: Path, error: Exception) -> None:
        """Never try the state in `path` again."""
        self._damaged += 1
        _log.warning("%s is set aside: %s", path.name, error)
        with suppress(OSError):  # where nothing can be written, it is passed over all the same
            set_aside(path)

    def facts(self) -> dict[str, int]:
        """What went wrong with them, for the run's result."""
        counted = {"damaged_checkpoints": self._damaged, "checkpoints_missed": self._missed}
        return {name: count for name, count in counted.items() if count}

    def leave(self, snapshot: Snapshot) -> None:
        """Have `snapshot`, whose tensors nobody else writes to, written beside the training."""
        self.wait()
        self._last = monotonic()
        self._writing = threading.Thread(target=self._write, args=(snapshot,), name="checkpoint")
        self._writing.start()

    def give_up(self, reason: object) -> None:
        """Leave no states: that of this run cannot be kept."""
        self._seconds = 0.0
        _log.warning("a run that is cut off begins again: %s", reason)

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None

    @property
    def _busy(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _write(self, snapshot: Snapshot) -> None:
        folder = self._run.folder
        assert folder is not None
        path = checkpoint_folder(folder, snapshot.state.step)
        try:
            save_snapshot(path, snapshot, run=self._fingerprint, torch=torch.__version__)
            forget_checkpoints(folder, keep=_KEEP)
        except (OSError, SelectorError, MemoryError) as error:  # it costs the state, not the run
            self._missed += 1
            _log.warning("no state was kept after %d steps: %s", snapshot.state.step, error)
