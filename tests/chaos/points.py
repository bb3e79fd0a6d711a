"""One crash point after another: a tiny study whose controller fails at its n-th call of a kind.

The controller is a fork of this process, where everything is imported already: a point costs a
second, so that hundreds of them can be tried.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import selector.cli.commands
import selector.cli.parser
import selector.cli.progress
import selector.launch.function
import selector.launch.inline
import selector.report.page
import selector.report.write
import selector.signals
import selector.study.conduct
import selector.study.sampler.quasi_random  # noqa: F401
from tests.chaos.checker import conclusions, results, violations
from tests.chaos.place import FAULTS

STUDY = """\
defaults: [selector_study, override objective: mine, override tracker: none,
           override launcher: inline, override budget: smoke, _self_]
name: tiny
question: Is a or b better?
compare: {objective.parameters.kind: [a, b]}
set: {budget.tokens: 100}
"""
OBJECTIVE = """\
defaults: [function, _self_]
name: mine
function: "tiny_function:train"
parameters: {kind: a, x: 0.5}
space: {parameters.x: {low: 0.0, high: 1.0}}
"""
FUNCTION = """\
def train(config, run):
    settings = config.objective.parameters
    for step in (1, 2):
        run.report(step, loss=(settings["x"] - 0.5) ** 2 + (settings["kind"] == "b")
                   + 1e-4 * (run.seed * 7919 % 13) + 1.0 / step)
"""
CALLS = ("write", "rename", "fsync", "unlink")
ENDS = ("before", "after", "ENOSPC", "EIO")
KILLED = 137


@dataclass(frozen=True)
class Point:
    """The `number`-th call of a kind, from 1, and what happens there."""

    call: str
    number: int
    how: str

    def __str__(self) -> str:
        return f"controller:{self.call}:{self.number}:{self.how}"


def tiny(folder: Path) -> Path:
    """A folder with the study in it."""
    (folder / "objective").mkdir(parents=True)
    (folder / "tiny.yaml").write_text(STUDY)
    (folder / "objective" / "mine.yaml").write_text(OBJECTIVE)
    (folder / "tiny_function.py").write_text(FUNCTION)
    return folder


def command(folder: Path, point: Point | None = None, *given: str) -> tuple[int, str]:
    """`selector run ./tiny.yaml` in a fork of this process: exit code and what it printed."""
    output = folder / "output.txt"
    child = os.fork()
    if child == 0:
        code = 99
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            for number in (1, 2):
                os.dup2(descriptor, number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            code = _selector(folder, point, given or ("run", "./tiny.yaml"))
        except BaseException:  # noqa: BLE001 - as an interpreter would, but this one is pytest's
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), output.read_text(errors="replace")


def _selector(folder: Path, point: Point | None, given: tuple[str, ...]) -> int:
    os.chdir(folder)
    if point is not None:
        os.environ["SELECTOR_FAULT"] = str(point)
        os.environ["SELECTOR_FAULT_FOLDER"] = str(folder)
        os.environ["SELECTOR_FAULT_BELOW"] = str(folder)
        runpy.run_path(str(FAULTS / "sitecustomize.py"))
    from selector.cli import main

    return main(list(given))


def broken(folder: Path, point: Point, plain: Path) -> list[str] | None:
    """What did not hold at a point; None: the study makes fewer calls than that."""
    tiny(folder)
    code, output = command(folder, point)
    if not (folder / "happened").exists():
        assert code == 0, output
        return None
    found = []
    if "Traceback" in output:
        found.append(f"a traceback:\n{output}")
    if point.how in ("before", "after"):
        if code != KILLED:
            found.append(f"exit code {code}, expected {KILLED}")
    elif code not in (0, 1):
        found.append(f"exit code {code} of a failing disk:\n{output}")
    elif code == 1 and "selector: " not in output:
        found.append(f"no message:\n{output}")
    code, output = command(folder)
    if code != 0:
        return [*found, f"again: exit code {code}:\n{output}"]
    found += violations(folder / "runs" / "tiny")
    if results(folder / "runs" / "tiny") != results(plain / "runs" / "tiny"):
        found.append("other results")
    said = "reports/tiny/recommendation.json"
    if conclusions(folder / said) != conclusions(plain / said):
        found.append("another recommendation")
    return found
