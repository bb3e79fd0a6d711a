"""The launcher of warm worker processes on this machine."""

from __future__ import annotations

import selectors
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from selector.errors import LaunchError
from selector.launch import orphans
from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.launch.handle import Worker
from selector.launch.limits import Limits
from selector.launch.messages import read_ended
from selector.launch.processes import resident
from selector.launch.server import ForkServer, last_lines
from selector.launch.telemetry import Gauges, Telemetry, open_telemetry
from selector.track.run import Ended, Outcome, Run

# A run is tried three times: with one that kills its worker on each of them, others still run.
_DEATHS_IN_A_ROW = 8
_DEATHS_A_WORKER = 4
_LOOK_EVERY = 0.5  # seconds between looks at what runs take
# What these leave on an accelerator cannot be trusted: memory in pieces, a context that is broken.
_SPOILS = (Outcome.CRASHED, Outcome.OUT_OF_MEMORY)
_STARTS = 3  # tries to start the process that starts workers


class LocalLauncher(Launcher):
    """Runs happen in worker processes that stay, each with a device and one CPU thread.

    A worker is forked when a run first needs it, and in the place of one that died. Workers die
    with the thread that made the launcher: make it in one that lives as long as it is needed.

    Args:
        workers: How many; auto: one for each accelerator, or one for each CPU core.
        pause_above_celsius: Runs wait while their GPU is hotter; 0: they never wait.
        gauges: What reads the GPUs' temperatures; None: NVML, where it is there.
        limits: What each run may take; a run beyond is ended, and its worker replaced.
        most_workers: Not more than these, whatever `workers` says; 0: no matter.
        processes: File in which the processes are noted for a later controller, which ends those
            that outlive this one; None: nowhere.
    """

    def __init__(
        self,
        workers: int | Literal["auto"] = "auto",
        *,
        pause_above_celsius: float = 0.0,
        gauges: Gauges | None = None,
        limits: Limits | None = None,
        most_workers: int = 0,
        processes: Path | None = None,
    ) -> None:
        self._asked, self._most = workers, most_workers
        self._limits, self._processes = limits or Limits(), processes
        self._pause_above, self._gauges = pause_above_celsius, gauges
        self._telemetry = Telemetry(None)
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
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
            self._listen(min(left, _LOOK_EVERY))
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
        if self._processes:
            orphans.reap(self._processes)  # what left its worker's group lives on until now

    def _start(self) -> ForkServer:
        if self._closed:
            raise LaunchError("this launcher was closed; make a new one")
        if self._server is None:
            self._server = ForkServer()
        if not self._ready:
            self._await_server(self._server)
            self._limits.refuse_too_little(resident(self._server.process))
            self._selector.register(self._server.channel, selectors.EVENT_READ, None)
            self._ready = True
            self._note_processes()
            self._telemetry = open_telemetry(self._server.devices, self._pause_above, self._gauges)
        return self._server

    def _await_server(self, server: ForkServer) -> None:
        """Wait until it can fork; one that was killed on the way there is started again."""
        for tries_left in reversed(range(_STARTS)):
            try:
                server.wait()
                break
            except LaunchError:
                if not tries_left:
                    raise
                server.close()
                self._server = server = ForkServer()

    def _watch(self) -> None:
        """Look at the devices, and send the runs that wait to those that are cool enough."""
        workers, server = self._workers.values(), self._start()
        running = {w.run.key: w.device for w in workers if w.run is not None and not w.waits}
        self._telemetry.look(server.devices, running)
        for worker in workers:
            cool = not self._telemetry.too_hot(worker.device)
            if worker.run is not None and worker.waits and cool:
                worker.begin()
            due = worker.look()
            if due == "give up":
                server.kill()
            elif due:
                server.signal(worker.number, due)

    def _places(self) -> int:
        server = self._start()
        places = self._asked
        if places == "auto":
            places = server.cores if server.devices == ["cpu"] else len(server.devices)
        return min(places, self._most or places)

    def _fork(self) -> Worker:
        server = self._start()
        taken = [worker.device for worker in self._workers.values()]
        device = min(server.devices, key=taken.count)
        self._forked += 1
        worker = Worker(self._forked, device, server.fork(self._forked, device), self._limits)
        self._workers[worker.number] = worker
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        return worker

    def _listen(self, seconds: float) -> None:
        """Turn what arrives within `seconds` into events; returns after the first arrivals."""
        self._start()
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Worker):
                if key.data.number in self._workers:  # not lost a moment ago, in this very loop
                    self._hear_worker(key.data)
            else:
                self._hear_server()

    def _hear_worker(self, worker: Worker) -> None:
        for message in worker.channel.receive(wait=False):
            self._take(worker, message)
        if worker.channel.ended:  # how it died is told by the forkserver
            self._selector.unregister(worker.channel)

    def _take(self, worker: Worker, message: dict[str, Any]) -> None:
        if "started" in message:  # which a run's own code has no part in
            worker.watchdog.hear_start()
        else:
            worker.watchdog.hear(message.get("step"))
        if "alive" in message:
            return
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
            if self._is_spent(worker, ended.outcome) and self._server:
                self._server.signal(worker.number, "kill")  # nothing of it is needed any more
                self._retire(worker)

    def _is_spent(self, worker: Worker, outcome: Outcome) -> bool:
        """Whether a worker, its run over, should not get another."""
        if worker.watchdog.verdict is not None:  # its end is under way
            return True
        if outcome in _SPOILS and worker.device != "cpu":
            return True
        return bool(worker.process) and worker.watchdog.leaks(worker.process)

    def _retire(self, worker: Worker) -> None:
        """Do without a worker that has ended or will; the next run gets another."""
        if worker.channel.fileno() in self._selector.get_map():
            self._selector.unregister(worker.channel)
        worker.channel.close()
        del self._workers[worker.number]

    def _hear_server(self) -> None:
        server = self._start()
        for message in server.channel.receive(wait=False):
            number: int = message["forked" if "forked" in message else "ended"]
            worker = self._workers.get(number)
            if worker and "forked" in message:
                worker.process = message["process"]
                self._note_processes()
            elif worker:
                code = message["code"]  # negative for a signal
                how = {"exit_code": code} if code >= 0 else {"signal": -code}
                self._lose(worker, *worker.death(code), how)
        if server.channel.ended:
            for worker in list(self._workers.values()):
                self._lose(worker, *worker.death(None))
            self._deaths += 1
            self._last_words = server.log_tail()
            self._selector.unregister(server.channel)
            server.close()
            self._server, self._ready = None, False

    def _note_processes(self) -> None:
        if self._processes and self._server:
            own = [worker.process for worker in self._workers.values() if worker.process]
            orphans.note(self._processes, [self._server.process, *own], self._server.mark)

    def _lose(
        self, worker: Worker, outcome: Outcome, text: str, how: dict[str, int] | None = None
    ) -> None:
        for message in worker.channel.receive(wait=False):  # what it said before it died
            self._take(worker, message)
        if worker.number not in self._workers:  # its run had ended after all
            return
        self._retire(worker)
        self._deaths += outcome is Outcome.LOST  # others are the run's fault
        log = self._log_of(worker)
        self._last_words = f"{text}; the last lines of its log:\n{log}" if log else text
        if worker.run is not None:
            seconds = worker.watchdog.ran
            seen = self._telemetry.facts(worker.run.key, 0.0)  # its use of energy is not known
            seen.pop("device_joules", None)
            facts = {"device": worker.device, **seen, **(how or {})}
            steps = worker.watchdog.step
            ended = Ended(
                outcome=outcome, steps=steps, seconds=seconds, error=self._last_words, facts=facts
            )
            self._events.append(Finished(key=worker.run.key, ended=ended))

    def _log_of(self, worker: Worker) -> str:
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
