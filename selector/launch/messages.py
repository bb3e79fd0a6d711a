"""What processes say to each other: JSON lines over Unix socket pairs, never pickles.

controller -> forkserver  {"fork": number, "device": name} with a socket,
                          {"signal": number, "what": "terminate" or "kill"}
forkserver -> controller  {"devices": [...], "cores": count}, {"forked": number, "process": id},
                          {"ended": number, "code": exit code, negative for a signal}
controller -> worker      {"run": {...}}, {"stop": key}
worker -> controller      {"started": key}, {"reported": key, "step": ..., "metrics": {...}},
                          {"finished": key, "ended": {...}}, {"alive": key} in between
"""

from __future__ import annotations

import array
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from selector.config.decode import run_config
from selector.config.identity import plain
from selector.track.run import Ended, Outcome, Run

_CHUNK = 1 << 16
_MOST_DESCRIPTORS = 64
_FOLDERS = ("folder", "data_folder", "branch")


class Channel:
    """One end of a socket pair. `ended` is true once the other end is closed and all is read."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()  # a user's function may report from several threads
        self._rest = b""
        self.ended = False
        self.descriptors: list[int] = []
        """Open files that came with the messages, in the order sent; the reader closes them."""

    def fileno(self) -> int:
        """For `select`."""
        return self._end.fileno()

    def send(self, message: Mapping[str, Any], descriptor: int | None = None) -> None:
        """Send a message, with an open file if given.

        Raises:
            OSError: nobody is at the other end.
        """
        line = json.dumps(message).encode() + b"\n"
        with self._sending:
            if descriptor is not None:  # at the first byte, so that it arrives with the line
                sent = socket.send_fds(self._end, [line], [descriptor])
                line = line[sent:]
            self._end.sendall(line)

    def receive(self, *, wait: bool) -> list[dict[str, Any]]:
        """The messages that have arrived; with `wait`, blocks until there is something to read."""
        while not self.ended:
            try:
                data, ancillary, _, _ = self._end.recvmsg(
                    _CHUNK,
                    socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize),
                    0 if wait else socket.MSG_DONTWAIT,
                )
            except BlockingIOError:
                break
            except ConnectionResetError:  # closed with messages unread: as good as the end
                data, ancillary = b"", []
            self._keep_descriptors(ancillary)
            self.ended = not data
            self._rest += data
            if wait:
                break
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close this end; messages already sent still arrive."""
        self._end.close()

    def _keep_descriptors(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received = array.array("i")
                received.frombytes(data[: len(data) - len(data) % received.itemsize])
                self.descriptors.extend(received)


def plain_run(run: Run) -> dict[str, Any]:
    """A run as a message; folders are made absolute, since a user's function may change its own."""
    folders = {name: getattr(run, name) for name in _FOLDERS}
    return {
        "key": run.key,
        "config": plain(run.config),
        "stage": str(run.stage),
        "seed": run.seed,
        "tokens": run.tokens,
        "trunk_for": run.trunk_for,
        "checkpoint_seconds": run.checkpoint_seconds,
        **{name: str(path.absolute()) if path else None for name, path in folders.items()},
    }


def read_run(message: Mapping[str, Any]) -> Run:
    """The run of a message."""
    folders = {name: Path(message[name]) if message[name] else None for name in _FOLDERS}
    return Run(**{**message, **folders, "config": run_config(message["config"])})


def plain_ended(ended: Ended) -> dict[str, Any]:
    """A run's end as a message."""
    values = {item.name: getattr(ended, item.name) for item in fields(ended)}
    return {**values, "outcome": str(ended.outcome), "facts": dict(ended.facts)}


def read_ended(message: Mapping[str, Any]) -> Ended:
    """The run's end of a message."""
    return Ended(**{**message, "outcome": Outcome(message["outcome"])})
