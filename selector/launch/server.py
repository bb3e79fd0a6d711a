"""The controller's side of the forkserver: start it, ask it for workers, end it."""

from __future__ import annotations

import os
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

from selector.errors import LaunchError
from selector.launch.forkserver import USERS_PATH
from selector.launch.messages import Channel
from selector.launch.orphans import MARK

_START_SECONDS = 300.0  # importing PyTorch from a cold network file system takes minutes
_END_SECONDS = 4.0  # the forkserver's grace for its workers, and some
_LOG_LINES = 15
_LOG_BYTES = 4000
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class ForkServer:
    """A running `python -m selector.launch.forkserver`.

    It dies with the *thread* that makes this object (Linux ties a child's life to a thread), so
    that thread must live as long as the workers are needed.
    """

    def __init__(self) -> None:
        self.mark = secrets.token_hex(16)
        """What it and all that comes from it have in their environment: `orphans.MARK`."""
        mine, other = socket.socketpair()
        self.channel = Channel(mine)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        command = [sys.executable, "-P", "-m", "selector.launch.forkserver"]
        try:
            with other:
                self._process = subprocess.Popen(
                    [*command, str(other.fileno()), str(os.getpid())],
                    env={**_environment(), MARK: self.mark},
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[other.fileno()],
                    start_new_session=True,  # Ctrl-C in the terminal is the controller's alone
                )
        except OSError as error:
            self.channel.close()
            self._log.close()
            raise LaunchError(f"{sys.executable!r} cannot be started: {error}") from error
        self.devices: list[str] = []
        self.cores = 0

    def wait(self) -> None:
        """Wait until it can fork; it then knows `devices` and `cores`.

        Raises:
            LaunchError: it died, or took minutes.
        """
        deadline = time.monotonic() + _START_SECONDS
        with selectors.DefaultSelector() as ready:
            ready.register(self.channel, selectors.EVENT_READ)
            while not self.devices:
                ready.select(max(0.0, deadline - time.monotonic()))
                for message in self.channel.receive(wait=False):
                    self.devices, self.cores = message["devices"], message["cores"]
                if self.channel.ended or (not self.devices and time.monotonic() > deadline):
                    raise LaunchError(
                        f"the process that starts workers {self._state()}; its last lines:\n"
                        f"{self.log_tail()}"
                    )

    def fork(self, number: int, device: str) -> Channel:
        """Have a worker started, and return the channel to it; messages may be sent at once."""
        mine, other = socket.socketpair()
        with other, suppress(BrokenPipeError, ConnectionResetError):  # its end is seen when read
            self.channel.send({"fork": number, "device": device}, other.fileno())
        return Channel(mine)

    def signal(self, number: int, what: str) -> None:
        """Have the processes of worker `number` get a signal, `terminate` or `kill`, if it lives.

        The forkserver has not collected it then, so its id cannot have been given to another.
        """
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send({"signal": number, "what": what})

    @property
    def process(self) -> int:
        """Its process id."""
        return self._process.pid

    def log_tail(self) -> str:
        """The last lines that it, or workers outside their runs, printed."""
        return last_lines(self._log.fileno())

    def kill(self) -> None:
        """End it at once, though it be stopped or hang; its workers die with it, or are reaped."""
        self._process.kill()

    def close(self) -> None:
        """End it and its workers: those that do not end when asked to are killed."""
        self.channel.close()
        try:
            self._process.wait(_END_SECONDS if self.devices else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _state(self) -> str:
        try:
            return f"ended with exit code {self._process.wait(1.0)} before it was ready"
        except subprocess.TimeoutExpired:
            return f"was not ready after {_START_SECONDS:g} seconds"


def last_lines(log: int) -> str:
    """The end of an open log, whose position stays: processes that write to it may share it."""
    start = max(0, os.fstat(log).st_size - _LOG_BYTES)
    text = os.pread(log, _LOG_BYTES, start).decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-_LOG_LINES:])


def _environment() -> dict[str, str]:
    """This process's environment, with its import path and one computing thread a process."""
    # A relative entry, or the empty one of an interactive session, means the folder of today.
    path = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]  # noqa: PTH100
    changes = dict.fromkeys(_ONE_THREAD, "1") | {
        "PYTHONPATH": os.pathsep.join(path),
        # So that code which asks for CUDA while it is imported does not initialize it.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
    if "PYTHONPATH" in os.environ:
        changes[USERS_PATH] = os.environ["PYTHONPATH"]
    return {**os.environ, **changes}
