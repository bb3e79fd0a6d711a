"""The runner of users' own training code: any importable `def train(config, run)`."""

from __future__ import annotations

import importlib
import importlib.util
import math
import operator
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from selector.config.schema import RunConfig
from selector.errors import ConfigError, Interrupted, RunFailed
from selector.launch.execute import failure
from selector.launch.runner import Runner
from selector.track.run import Ended, Outcome, Reporter, Run

Function = Callable[[RunConfig, "RunHandle"], object]


class RunHandle:
    """What a user's function gets to talk about its run.

    Attributes:
        folder: Exists; the function may write there. What an earlier attempt of the same run has
            left there is there still, of one that crashed too: a function that finds its own
            checkpoint can go on with it, provided that it reports again what it had reported and
            knows a checkpoint of code that was mended since. Temporary where the run has none.
        seed: For all randomness. The global generators of `random`, NumPy and PyTorch (the latter
            two where they are loaded) have been seeded with it.
        tokens: The run's length in training tokens, for functions that count them.
        stage: Why the run is made: explore, verdict, rerun, single.
        device: PyTorch's name of the worker's device; auto: choose one (only without workers).
        steps: The last step reported.
    """

    def __init__(self, run: Run, reporter: Reporter, device: str, folder: Path) -> None:
        self.folder = folder
        self.seed = run.seed
        self.tokens = run.tokens
        self.stage = run.stage
        self.device = device
        self.steps = 0
        self.names: set[str] = set()
        self.diverged = ""
        self.stopped = False
        self._key = run.key
        self._metric = run.config.objective.metric
        self._reporter = reporter

    def report(self, step: int, **metrics: Any) -> None:
        """Tell the study about the run after `step` optimizer steps.

        Args:
            step: A whole number from 0.
            metrics: Numbers; scalars of NumPy and PyTorch count as numbers.

        Raises:
            RunFailed: the study's metric is not finite, or something is not a number.
        """
        if self.diverged:
            raise RunFailed(self.diverged, Outcome.DIVERGED)
        number = _step(step)
        values = {_name(name): _number(name, value) for name, value in metrics.items()}
        if not math.isfinite(values.get(self._metric, 0.0)):
            self.diverged = f"{self._metric} was {values[self._metric]} at step {number}"
            raise RunFailed(self.diverged, Outcome.DIVERGED)
        self._reporter.report(self._key, number, values)
        self.steps = number
        self.names.update(values)

    def should_stop(self) -> bool:
        """Whether to save what should be kept and return; cheap enough for every step."""
        self.stopped = self.stopped or self._reporter.should_stop(self._key)
        return self.stopped


class FunctionRunner(Runner):
    """Calls `function(config, run)`; the current folder can be imported from.

    The function's own settings are in `config.objective.parameters`. It stays imported between
    runs.
    """

    def run(self, runs: Sequence[Run], reporter: Reporter, device: str) -> None:
        """Call the function for each of `runs`, one after another."""
        for run in runs:
            with ExitStack() as stack:
                folder = run.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
                folder.mkdir(parents=True, exist_ok=True)
                handle = RunHandle(run, reporter, device, folder)
                reporter.end(run.key, _call(run, handle))


def check(config: RunConfig) -> None:
    """Refuse a function whose module cannot be found, before any worker starts.

    The module itself is not run, but the packages around it are: importing a user's module runs
    the user's code, and whether the function is in it shows only then.

    Raises:
        ConfigError: there is no such module.
    """
    module = config.objective.function.partition(":")[0]
    _allow_current_folder()
    try:
        found = importlib.util.find_spec(module) is not None
        reason = ""
    except (ImportError, ValueError) as error:
        found, reason = False, f" ({error})"
    if not found or module == "__main__":
        raise ConfigError(f"objective.function: {_not_found(config, reason)}")


def _call(run: Run, handle: RunHandle) -> Ended:
    begin = time.perf_counter()
    try:
        function = _load(run.config)
        _seed(run.seed)
        function(run.config, handle)
        _require_result(run.config, handle)
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises ends its run
        # Also where the user's code turned what `report` raised into an error of its own.
        cause = RunFailed(handle.diverged, Outcome.DIVERGED) if handle.diverged else error
        return failure(cause, handle.steps, time.perf_counter() - begin, handle.device)
    return Ended(
        outcome=Outcome.STOPPED if handle.stopped else Outcome.COMPLETE,
        steps=handle.steps,
        seconds=time.perf_counter() - begin,
        facts={"device": handle.device},
    )


def _load(config: RunConfig) -> Function:
    module_name, _, attribute = config.objective.function.partition(":")
    _allow_current_folder()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise RunFailed(_not_found(config, ""), Outcome.CRASHED) from None
        raise
    function = getattr(module, attribute, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    known = sorted(name for name, value in vars(module).items() if callable(value))
    raise RunFailed(
        f"{config.objective.function!r}: module {module_name!r} ({module.__file__}) has no"
        f" function {attribute!r}; it has {', '.join(known) or 'none'}",
        Outcome.CRASHED,
    )


def _not_found(config: RunConfig, reason: str) -> str:
    module = config.objective.function.partition(":")[0]
    return (
        f"no module {module!r} for {config.objective.function!r}{reason}; expected"
        f" 'package.module:function' in {Path.cwd()}, on PYTHONPATH or installed"
    )


def _allow_current_folder() -> None:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _seed(number: int) -> None:
    """Seed the global generators: equal in all workers after a fork, they would repeat runs."""
    random.seed(number)
    if "numpy" in sys.modules:
        import numpy

        numpy.random.seed(number % 2**32)  # the widest seed it takes
    if "torch" in sys.modules:
        from selector.train import process

        process.seed(number)


def _require_result(config: RunConfig, handle: RunHandle) -> None:
    if handle.diverged:  # the user's code caught what `report` raised
        raise RunFailed(handle.diverged, Outcome.DIVERGED)
    metric = config.objective.metric
    if not handle.stopped and metric not in handle.names:
        argument = f"{metric}=…" if metric.isidentifier() else f"**{{{metric!r}: …}}"
        reported = ", ".join(sorted(handle.names)) or "nothing"
        raise RunFailed(
            f"{config.objective.function} returned without reporting {metric!r}, the study's"
            f" metric; it reported {reported}. Expected: run.report(step, {argument})",
            Outcome.CRASHED,
        )


def _step(step: Any) -> int:
    try:
        number = operator.index(step)
    except TypeError:
        number = -1
    if number < 0:
        text = f"report: step: expected a whole number from 0, got {_shown(step)}"
        raise RunFailed(text, Outcome.CRASHED)
    return number


def _name(name: str) -> str:
    """The name itself: one with half a character in it no table could hold."""
    if name.encode(errors="replace").decode() != name:
        text = f"report: expected names that UTF-8 can write, got {name!r}"
        raise RunFailed(text, Outcome.CRASHED)
    return name


def _number(name: str, value: Any) -> float:
    try:
        if hasattr(value, "detach"):  # PyTorch warns of a number that still has a gradient
            value = value.detach()
        scalar = value.item() if hasattr(value, "item") else value
        if not isinstance(scalar, str | bytes | bytearray):  # float("1") would pass
            return float(scalar)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        pass
    text = f"report: {name}: expected a number, got {_shown(value)}"
    raise RunFailed(text, Outcome.CRASHED)


def _shown(value: object) -> str:
    shape: Any = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    return f"{type(value).__name__} {value!r:.80}"
