"""One run, executed so that it always ends exactly once; shared by this process and workers."""

from __future__ import annotations

import errno
import os
import sysconfig
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selector.config.schema import RunConfig
from selector.config.secrets import redacted
from selector.errors import Interrupted, RunFailed, SelectorError
from selector.launch.runner import Runner
from selector.track.run import Ended, Outcome, Reporter, Run

_ERROR_LINES = 20  # a deep traceback's end, and the message under it, fit on a screen
_ERROR_CHARACTERS = 4000  # an exception may print a whole tensor
# Of Python and of what is installed: a fault seldom lies there.
_LIBRARIES = ("<", *{sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib")})
_OWN = str(Path(__file__).parent.parent)
# The disk's trouble is no fault of the run: it is made again once there is room.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
# PyTorch raises a plain RuntimeError with these words where the CPU's memory is spent.
_CPU_MEMORY = "can't allocate memory"


def execute(run: Run, runner: Runner, reporter: Reporter, device: str) -> None:
    """Let `runner` execute `run`; whatever the runner does, the run ends once.

    Raises:
        Interrupted: a signal's; the run has not ended.
    """
    once, process = _Once(reporter), os.getpid()
    begin = time.perf_counter()
    try:
        runner.run([run], once, device_for(run.config, device))
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - its failure, not the worker's
        ended = failure(error, once.steps, time.perf_counter() - begin, device)
    else:
        text = f"{type(runner).__name__} returned without ending the run"
        ended = Ended(outcome=Outcome.CRASHED, steps=once.steps, error=text)
    finally:
        if os.getpid() != process:  # a child that the run forked: it has no part in what follows
            os._exit(0)
    once.end(run.key, ended)


def device_for(config: RunConfig, device: str) -> str:
    """The device a run uses on a worker that owns `device`: its own where they are of one kind."""
    asked = config.compute.device
    return device if asked in ("auto", device.split(":")[0]) else asked


def failure(error: BaseException, steps: int, seconds: float, device: str) -> Ended:
    """How a run ended that an exception ended: its kind, its place, its last lines."""
    facts: Mapping[str, Any] = {"device": device, "exception": type(error).__name__}
    if place := _place(error):
        facts = {**facts, "place": place}
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, RunFailed):
        outcome = Outcome(error.outcome)
    elif kinds & {"MemoryError", "OutOfMemoryError"} or _CPU_MEMORY in str(error):
        outcome = Outcome.OUT_OF_MEMORY
    elif isinstance(error, OSError) and error.errno in _DISK:
        outcome = Outcome.LOST
    else:
        outcome = Outcome.CRASHED
    text = str(error)
    if not isinstance(error, SelectorError):  # whose messages say what to do
        text = "".join(traceback.format_exception(error)).strip()
    text = redacted(text)  # before it is cut: half a secret would not be known as one
    text = "\n".join(text.splitlines()[-_ERROR_LINES:])[-_ERROR_CHARACTERS:]
    return Ended(outcome=outcome, steps=steps, seconds=seconds, error=text, facts=facts)


def _place(error: BaseException) -> str:
    """File and line where it was raised: the innermost that belongs to no library; empty: none.

    A user's function comes before our own code, which may only have refused what it was given.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [item for item in frames if not item.filename.startswith(_LIBRARIES)]
    users = [item for item in own if not item.filename.startswith(_OWN)]
    found = users or own
    return f"{found[-1].filename}:{found[-1].lineno}" if found else ""


class _Once:
    """Passes a single run's events on until it has ended, and nothing after that."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._over = False
        self.steps = 0

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        if not self._over:
            self._reporter.report(key, step, metrics)
            self.steps = step

    def end(self, key: str, ended: Ended) -> None:
        if not self._over:
            self._over = True
            self._reporter.end(key, ended)

    def should_stop(self, key: str) -> bool:
        return self._reporter.should_stop(key)
