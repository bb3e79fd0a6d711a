"""The launcher of warm worker processes on this machine."""

from __future__ import annotations

import selectors
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from selector.errors import LaunchError
from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.launch.messages import Channel, plain_run, read_ended
from selector.launch.server import ForkServer, last_lines
from selector.launch.telemetry import Gauges, Telemetry, connect
from selector.track.run import Ended, Outcome, Run

# A run is tried three times: with one that kills its worker on each of them, others still run.
_DEATHS_IN_A_ROW = 8
_DEATHS_A_WORKER = 4


class LocalLauncher(Launcher):
    """Runs happen in worker processes that stay, each with a device and one CPU thread.

    A worker is forked when a run first needs it, and in the place of one that died. Workers die
    with the thread that made the launcher: make it in one that lives as long as it is needed.

    Args:
        workers: How many; auto: one for each accelerator, or one for each CPU core.
        pause_above_celsius: Runs wait while their GPU is hotter; 0: they never wait.
        gauges: What reads the GPUs' temperatures; None: NVML, where it is there.
    """

    def __init__(
        self,
        workers: int | Literal["auto"] = "auto",
        *,
        pause_above_celsius: float = 0.0,
        gauges: Gauges | None = None,
    ) -> None:
        self._asked = workers
        self._pause_above, self._gauges = pause_above_celsius, gauges
        self._telemetry = Telemetry(None)
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _Worker] = {}
        self._forked = 0
        self._deaths = 0
        self._events: list[Event] = []
        self._last_words = ""
        self._server: ForkServer | None = ForkServer()  # imports while the controller plans
        self._ready = False
        self._closed = False

    def room(self) -> int:
        """Workers without a run, those not yet started included."""
        self._start()
        busy = sum(worker.run is not None for worker in self._workers.values())
        return self._places() - busy

    def submit(self, run: Run) -> None:
        """Send the run to an idle worker, or to a new one.

        Raises:
            LaunchError: workers die one after another.
        """
        self._listen(0.0)  # an idle worker may have died
        if self.room() <= 0:
            raise ValueError(f"run {run.key!r}: no room, all {self._places()} workers are busy")
        self._give_up_if_hopeless()
        idle = (worker for worker in self._workers.values() if worker.usable)
        worker = next(idle, None) or self._fork()
        worker.run, worker.waits = run, True
        self._watch()

    def poll(self, seconds: float) -> list[Event]:
        """Events since the last call; an exception from a signal leaves them for the next call.

        Raises:
            LaunchError: workers die one after another; their runs' ends were returned before.
        """
        deadline = time.monotonic() + seconds
        if not self._events:
            self._give_up_if_hopeless()
        self._listen(0.0)
        self._watch()
        while not self._events and (left := deadline - time.monotonic()) > 0:
            self._listen(left)
        self._watch()
        events, self._events = self._events, []
        return events

    def stop(self, key: str) -> None:
        """Tell the run's worker that the run should end."""
        for worker in self._workers.values():
            if worker.run is None or worker.run.key != key:
                continue
            if worker.waits:
                worker.run, worker.waits = None, False
                self._events.append(Finished(key=key, ended=Ended(outcome=Outcome.STOPPED)))
            else:
                worker.send({"stop": key})

    def close(self) -> None:
        """End all workers: at once, or killed a second later; their runs have no `Finished`."""
        for worker in self._workers.values():
            worker.channel.close()
        self._workers.clear()
        if self._server:
            self._server.close()
            self._server = None
        self._selector.close()
        self._closed = True

    def _start(self) -> ForkServer:
        if self._closed:
            raise LaunchError("this launcher was closed; make a new one")
        if self._server is None:
            self._server = ForkServer()
        if not self._ready:
            self._server.wait()
            self._selector.register(self._server.channel, selectors.EVENT_READ, None)
            self._ready = True
            self._telemetry = self._open_telemetry(self._server.devices)
        return self._server

    def _open_telemetry(self, devices: list[str]) -> Telemetry:
        """Gauges where there is an NVIDIA GPU; a pause that could never come is refused."""
        found: Gauges | str = "there is no NVIDIA GPU"
        if any(device.startswith("cuda") for device in devices) or self._gauges:
            found = self._gauges or connect()
        if isinstance(found, str):
            if self._pause_above:
                raise LaunchError(
                    f"launcher.pause_above_celsius: expected 0 here, got {self._pause_above:g}:"
                    f" {found}"
                )
            return Telemetry(None)
        return Telemetry(found, self._pause_above)

    def _watch(self) -> None:
        """Look at the devices, and send the runs that wait to those that are cool enough."""
        workers, server = self._workers.values(), self._start()
        running = {w.run.key: w.device for w in workers if w.run is not None and not w.waits}
        self._telemetry.look(server.devices, running)
        for worker in workers:
            cool = not self._telemetry.too_hot(worker.device)
            if worker.run is not None and worker.waits and cool:
                worker.waits = False
                worker.send({"run": plain_run(worker.run)})

    def _places(self) -> int:
        server = self._start()
        if self._asked != "auto":
            return self._asked
        return server.cores if server.devices == ["cpu"] else len(server.devices)

    def _fork(self) -> _Worker:
        server = self._start()
        taken = [worker.device for worker in self._workers.values()]
        device = min(server.devices, key=taken.count)
        self._forked += 1
        worker = _Worker(self._forked, device, server.fork(self._forked, device))
        self._workers[worker.number] = worker
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        return worker

    def _listen(self, seconds: float) -> None:
        """Turn what arrives within `seconds` into events; returns after the first arrivals."""
        self._start()
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, _Worker):
                if key.data.number in self._workers:  # not lost a moment ago, in this very loop
                    self._hear_worker(key.data)
            else:
                self._hear_server()

    def _hear_worker(self, worker: _Worker) -> None:
        for message in worker.channel.receive(wait=False):
            self._take(worker, message)
        if worker.channel.ended:  # how it died is told by the forkserver
            self._selector.unregister(worker.channel)

    def _take(self, worker: _Worker, message: dict[str, Any]) -> None:
        if "started" in message:
            self._events.append(Started(key=message["started"]))
        elif "reported" in message:
            key, step, metrics = message["reported"], message["step"], message["metrics"]
            self._events.append(Reported(key=key, step=step, metrics=metrics))
        else:
            worker.run = None
            self._deaths = 0
            key, ended = message["finished"], read_ended(message["ended"])
            seen = self._telemetry.facts(key, ended.seconds)
            ended = replace(ended, facts={**ended.facts, **seen})
            self._events.append(Finished(key=key, ended=ended))

    def _hear_server(self) -> None:
        server = self._start()
        for message in server.channel.receive(wait=False):
            number: int = message["forked" if "forked" in message else "ended"]
            worker = self._workers.get(number)
            if worker and "forked" in message:
                worker.process = message["process"]
            elif worker:
                self._lose(worker, f"{worker.name} {_how(message['code'])}")
        if server.channel.ended:
            for worker in list(self._workers.values()):
                self._lose(worker, f"{worker.name} ended: the process that starts workers died")
            self._deaths += 1
            self._last_words = server.log_tail()
            self._selector.unregister(server.channel)
            server.close()
            self._server, self._ready = None, False

    def _lose(self, worker: _Worker, text: str) -> None:
        for message in worker.channel.receive(wait=False):  # what it said before it died
            self._take(worker, message)
        if worker.channel.fileno() in self._selector.get_map():
            self._selector.unregister(worker.channel)
        worker.channel.close()
        del self._workers[worker.number]
        self._deaths += 1
        self._last_words = f"{text}\n{self._log_of(worker)}".rstrip()
        if worker.run is not None:
            error = f"{self._last_words}\n(the last lines of its log, where it has one)"
            seen = self._telemetry.facts(worker.run.key, 0.0)  # how long it ran is not known
            seen.pop("device_joules", None)
            facts = {"device": worker.device, **seen}
            ended = Ended(outcome=Outcome.LOST, error=error, facts=facts)
            self._events.append(Finished(key=worker.run.key, ended=ended))

    def _log_of(self, worker: _Worker) -> str:
        if worker.run is not None and worker.run.folder is not None:
            with suppress(OSError), (worker.run.folder / "log.txt").open("rb") as log:
                return last_lines(log.fileno())
        return self._server.log_tail() if self._server else ""

    def _give_up_if_hopeless(self) -> None:
        if self._deaths >= max(_DEATHS_IN_A_ROW, _DEATHS_A_WORKER * self._places()):
            raise LaunchError(
                f"{self._deaths} workers died in a row and none finished a run; last lines:\n"
                f"{self._last_words or '(empty)'}"
            )


class _Worker:
    """What the controller knows of one worker process."""

    def __init__(self, number: int, device: str, channel: Channel) -> None:
        self.number = number
        self.device = device
        self.channel = channel
        self.run: Run | None = None
        self.waits = False
        """Whether its run has not been sent to it yet: the device is too hot."""
        self.process = 0

    @property
    def usable(self) -> bool:
        """Whether it can take a run."""
        return self.run is None and not self.channel.ended

    @property
    def name(self) -> str:
        """For people."""
        return f"worker {self.number} (process {self.process or 'unknown'}, {self.device})"

    def send(self, message: dict[str, Any]) -> None:
        """Send; where it is dead, the forkserver tells so in a moment."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(message)


def _how(code: int) -> str:
    if code >= 0:
        return f"exited with code {code} in the middle of its work"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = " (often the system's answer to too little memory)" if name == "SIGKILL" else ""
    return f"was killed by signal {-code}, {name}{hint}"
