"""The process that imports PyTorch once and forks workers from then on: `python -m` this.

A fork of it starts in milliseconds where a fresh interpreter takes seconds, and the user's own
script is never imported again. It stays single-threaded (a fork copies only the calling thread)
and initializes no accelerator (a driver does not survive a fork).
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress

from selector.launch.cores import available_cores
from selector.launch.lifeline import die_with_parent
from selector.launch.messages import Channel

_SIGNALS = {"terminate": signal.SIGTERM, "kill": signal.SIGKILL}
_GRACE_SECONDS = 1.0  # between asking workers to end and killing them
#: Where the controller leaves the user's own PYTHONPATH; this process needs another one.
USERS_PATH = "SELECTOR_USERS_PYTHONPATH"


def main(descriptor: int, parent: int) -> None:
    """Serve the controller at the other end of the socket `descriptor` until it is gone."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controller decides what Ctrl-C means
    users_path = os.environ.pop(USERS_PATH, None)
    os.environ.pop("PYTHONPATH", None)
    if users_path is not None:
        os.environ["PYTHONPATH"] = users_path
    channel = Channel(socket.socket(fileno=descriptor))
    _preload()
    channel.send({"devices": _devices(), "cores": available_cores()})
    gc.collect()
    gc.freeze()  # the collector would otherwise write to, and so copy, every shared page
    _Forks(channel).serve()


class _Forks:
    """Forks workers on request, reports how each of them ended."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._numbers: dict[int, int] = {}  # process id -> worker number
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Until the controller closes its end; then end all workers."""
        with suppress(BrokenPipeError, ConnectionResetError):
            while not self._channel.ended:
                select.select([self._channel.fileno(), self._wake.fileno()], [], [])
                with suppress(BlockingIOError):
                    self._wake.recv(1024)
                self._reap()
                for message in self._channel.receive(wait=False):
                    if "fork" in message:
                        self._fork(message["fork"], message["device"])
                    else:
                        self._signal(message["signal"], message["what"])
        self._end_all()

    def _fork(self, number: int, device: str) -> None:
        end = socket.socket(fileno=self._channel.descriptors.pop(0))
        end.set_inheritable(False)
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            self._become_worker(end, device, parent)
        end.close()
        self._numbers[process] = number
        with suppress(ProcessLookupError, PermissionError):  # the child does the same; the first
            os.setpgid(process, process)  # one wins, and a kill right now finds the group
        self._channel.send({"forked": number, "process": process})

    def _signal(self, number: int, what: str) -> None:
        for process, own in self._numbers.items():
            if own == number:
                _signal_group(process, _SIGNALS[what])

    def _become_worker(self, end: socket.socket, device: str, parent: int) -> None:
        try:
            os.setpgid(0, 0)  # so that it can be killed with the processes it starts
            die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self._wake, self._woken, self._channel):
                inherited.close()
            from selector.launch.worker import work

            work(Channel(end), device)
        except BaseException:  # noqa: BLE001 - the forkserver's stack must not go on in the child
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    def _reap(self) -> None:
        while self._numbers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            number = self._numbers.pop(process, None)
            if number is None:
                continue
            _signal_group(process, signal.SIGKILL)  # what the worker had started itself
            code = os.waitstatus_to_exitcode(status)
            self._channel.send({"ended": number, "code": code})

    def _end_all(self) -> None:
        for signal_number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, 1.0)):
            for process in self._numbers:
                _signal_group(process, signal_number)
            deadline = time.monotonic() + seconds
            while self._numbers and time.monotonic() < deadline:
                process, _ = os.waitpid(-1, os.WNOHANG)
                if self._numbers.pop(process, None) is None:
                    time.sleep(0.005)
                else:
                    _signal_group(process, signal.SIGKILL)


def _signal_group(process: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, number)


def _preload() -> None:
    """Import what every worker needs, so that it is in memory once."""
    import selector.launch.bank
    import selector.launch.function
    import selector.launch.worker
    import selector.train.loop  # noqa: F401


def _devices() -> list[str]:
    """The devices, asked for in a child of its own: asking may initialize a driver.

    A child that fails says why in this process's log, and this process ends: to train on the CPU
    because a GPU is broken would be a surprise.
    """
    from selector.train.process import available

    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(writing, json.dumps(available()).encode())
        except BaseException:  # noqa: BLE001 - the forkserver's stack must not go on in the child
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    os.waitpid(process, 0)
    if not text:
        sys.exit("the devices could not be asked for")
    return list(json.loads(text))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
