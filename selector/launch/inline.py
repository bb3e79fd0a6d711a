"""The launcher without workers: runs happen in this process, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from selector.launch.base import Event, Finished, Launcher, Reported, Started
from selector.launch.execute import execute
from selector.launch.runner import Runner, runner_for
from selector.track.run import Ended, Outcome, Run


class InlineLauncher(Launcher):
    """Takes one run and executes it, to its end, inside the next `poll`.

    For tests and debugging: breakpoints work, and a run can be stopped only before it starts or
    from inside. A signal's exception leaves `poll`; the run it cut off ends as lost in the next.

    Args:
        runner_for: Chooses a run's runner.
        device: What runs train on; auto: the best device there is.
    """

    def __init__(
        self, runner_for: Callable[[Run], Runner] = runner_for, device: str = "auto"
    ) -> None:
        self._runner_for = runner_for
        self._device = device
        self._waiting: Run | None = None
        self._events = _Events()

    def room(self) -> int:
        """One, where no run waits."""
        return 0 if self._waiting else 1

    def submit(self, run: Run) -> None:
        """Take a run; `poll` executes it."""
        if self._waiting:
            raise ValueError(f"run {run.key!r}: no room, {self._waiting.key!r} waits")
        self._waiting = run
        self._events.stopped.discard(run.key)  # asked too late of an earlier attempt

    def poll(self, seconds: float) -> list[Event]:
        """Execute the waiting run, however long it takes, and return all its events."""
        run, self._waiting = self._waiting, None
        if run:
            try:
                self._events.happened.append(Started(key=run.key))
                execute(run, self._runner_for(run), self._events, self._device)
            except BaseException as error:
                text = f"interrupted by {type(error).__name__}"
                self._events.end(run.key, Ended(outcome=Outcome.LOST, error=text))
                raise
        return self._events.take()

    def stop(self, key: str) -> None:
        """Ask the waiting run, or the one that calls this from inside, to end early."""
        self._events.stopped.add(key)

    def close(self) -> None:
        """Forget the waiting run."""
        self._waiting = None


class _Events:
    """Collects what a run reports."""

    def __init__(self) -> None:
        self.happened: list[Event] = []
        self.stopped: set[str] = set()

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        self.happened.append(Reported(key=key, step=step, metrics=dict(metrics)))

    def end(self, key: str, ended: Ended) -> None:
        self.happened.append(Finished(key=key, ended=ended))
        self.stopped.discard(key)

    def should_stop(self, key: str) -> bool:
        return key in self.stopped

    def take(self) -> list[Event]:
        events, self.happened = self.happened, []
        return events
