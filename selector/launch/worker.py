"""A worker: takes runs from its socket, executes them one by one, reports what happens."""

from __future__ import annotations

import faulthandler
import io
import os
import sys
import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue

from selector.launch.execute import execute, failure
from selector.launch.messages import Channel, plain_ended, read_run
from selector.launch.output import logged
from selector.launch.runner import runner_for
from selector.track.run import Ended, Run
from selector.train import process

_SIGN_OF_LIFE = 1.0  # seconds between messages of a run that has nothing else to say


def work(channel: Channel, device: str) -> None:
    """Execute runs until the controller closes its end; never returns.

    One CPU thread computes: as many workers as cores fill the machine, and a run's result does
    not depend on how many workers there are.
    """
    faulthandler.enable()  # a crash in C leaves its Python stack in the run's log
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    process.use_threads(1)
    inbox = _Inbox(channel)
    inbox.start()
    while True:
        run = inbox.runs.get()
        channel.send({"started": run.key})
        reporter = _ChannelReporter(channel, inbox)
        with logged(run.folder):
            try:
                execute(run, runner_for(run), reporter, device)
            except KeyboardInterrupt as error:  # raised by the user's code: workers ignore Ctrl-C
                reporter.end(run.key, failure(error, 0, 0.0, device))
        reporter.send_end()


class _Inbox(threading.Thread):
    """Listens while the worker computes, so that asking whether to stop costs one look-up."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(name="inbox", daemon=True)
        self._channel = channel
        self.runs: SimpleQueue[Run] = SimpleQueue()
        self.stopped: set[str] = set()

    def run(self) -> None:
        """Read until the controller is gone, then end the process, whatever it is doing."""
        try:
            while not self._channel.ended:
                for message in self._channel.receive(wait=True):
                    if "stop" in message:
                        self.stopped.add(message["stop"])
                    else:
                        run = read_run(message["run"])
                        self.stopped.discard(run.key)  # asked too late of an earlier attempt
                        self.runs.put(run)
        finally:
            os._exit(0 if self._channel.ended else 1)


class _ChannelReporter:
    """Sends events to the controller; the end only once the log is complete."""

    def __init__(self, channel: Channel, inbox: _Inbox) -> None:
        self._channel = channel
        self._inbox = inbox
        self._end: tuple[str, Ended] | None = None
        self._said = time.monotonic()

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        values = {name: float(value) for name, value in metrics.items()}
        self._channel.send({"reported": key, "step": int(step), "metrics": values})
        self._said = time.monotonic()

    def end(self, key: str, ended: Ended) -> None:
        self._end = self._end or (key, ended)

    def should_stop(self, key: str) -> bool:
        if time.monotonic() - self._said > _SIGN_OF_LIFE:
            self._said = time.monotonic()
            self._channel.send({"alive": key})
        return key in self._inbox.stopped

    def send_end(self) -> None:
        """Send the end, after everything else of the run."""
        if self._end:
            key, ended = self._end
            self._inbox.stopped.discard(key)
            self._channel.send({"finished": key, "ended": plain_ended(ended)})
