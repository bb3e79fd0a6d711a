"""The grammar of the command line: one small parser for each command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from selector import __version__
from selector.cli import commands, importing, intervening, syncing
from selector.config.decode import unknown

_OVERRIDES = """\
Overrides are Hydra's: commas compare, intervals tune, plain values fix.
  optimizer=adamw,muon                                compare two optimizers
  'optimizer.lr=tag(log,interval(1e-4,1e-2))'         tune a range, bounds included
  'model.depth=range(2,6,2)'                          likewise, in steps: 2, 4 or 6
  optimizer.lr=0.01                                   fix a value
  budget=smoke                                        choose an option of a group
"""

_SUMMARY = """\
Which model size, optimizer, schedule, batch and regularization should I train with,
and how sure are we?

  selector plan   STUDY [override …]   what would run; trains nothing
                                       [--explain: what each arm costs and its settings come to;
                                       --from NAME: what would be taken over]
  selector run    STUDY [override …]   run it, or go on with it; ends with the report
                                       [--from NAME: take over another study's runs, or
                                       start from an import]
  selector status [STUDY]              progress, best so far, failures by kind
  selector stop   STUDY [--trial N [--pause]]   end it cleanly; stop or pause one trial
  selector resume STUDY --trial N      let a paused trial go on
  selector add    STUDY KEY=VALUE …    the next trial of an arm, by hand
  selector report STUDY                write reports/STUDY from what is stored
  selector rerun  STUDY [--trial N] [override …]   train the recommended again and compare
  selector train  FILE|[override …]    one run of one configuration, no study
  selector ui     [--port 5000]        the MLflow UI on 127.0.0.1
  selector sync   STUDY [--uri URI]    complete what MLflow shows of a stored study
  selector list   [AXIS[/OPTION]]      studies, axes, techniques, settings; one technique's file
  selector doctor                      what is here, what will be used, what is missing for what
  selector import NAME SOURCE          earlier results (CSV, MLflow, Optuna) as a start for a search

STUDY is a name in studies/ (`selector list`) or the path of a study file.
Everywhere: --runs DIR, --reports DIR, --json (one object on standard output, nothing else).

"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The asked command with its options; `command` is the function to call with them."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_SUMMARY + _OVERRIDES, end="")
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(f"selector {__version__}")
        sys.exit(0)
    name, *rest = arguments
    if name not in _COMMANDS:
        print(f"selector: {unknown('command', name, list(_COMMANDS))}", file=sys.stderr)
        sys.exit(2)
    function, describe = _COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"selector {name}",
        description=function.__doc__,
        epilog=_OVERRIDES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    describe(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.set_defaults(command=function)
    asked = parser.parse_intermixed_args(rest)
    asked.runs = asked.runs.absolute()  # workers and MLflow are told where it lies
    return asked


def _study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a name in studies/, or a path")


def _study_and_overrides(parser: argparse.ArgumentParser) -> None:
    _study(parser)
    parser.add_argument("overrides", nargs="*", metavar="override")


def _plan(parser: argparse.ArgumentParser) -> None:
    _study_and_overrides(parser)
    parser.add_argument(
        "--explain",
        action="store_true",
        help="parameters, FLOPs, steps, rates and decays of each arm; loads torch",
    )
    _start(parser)


def _run(parser: argparse.ArgumentParser) -> None:
    _study_and_overrides(parser)
    _start(parser)


def _start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="start",
        default="",
        metavar="NAME",
        help="another study, whose finished runs are taken over where they are the same, or an"
        " import; what else is known there is a start for a sampler that learns",
    )


def _rerun(parser: argparse.ArgumentParser) -> None:
    _study_and_overrides(parser)
    parser.add_argument("--trial", type=int, metavar="N", help="this trial, not the recommended")


def _train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="FILE|override")
    parser.add_argument(
        "--trunk-for", type=float, default=0, metavar="TOKENS",
        help="warm up like a run of TOKENS, and keep the state from which one can start",
    )  # fmt: skip
    parser.add_argument(
        "--from", type=Path, dest="trunk", metavar="FOLDER",
        help="start from the state that the run in FOLDER kept, at another budget.tokens",
    )  # fmt: skip


def _optional(name: str, text: str) -> Callable[[argparse.ArgumentParser], None]:
    def describe(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(name, nargs="?", metavar=name.upper(), help=text)

    return describe


def _port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=5000, help="default: 5000")


_COMMANDS: dict[
    str,
    tuple[Callable[[argparse.Namespace], int], Callable[[argparse.ArgumentParser], None]],
] = {
    "plan": (commands.plan, _plan),
    "run": (commands.run, _run),
    "status": (commands.status, _optional("study", "a stored study; default: all")),
    "stop": (intervening.stop, intervening.describe_stop),
    "resume": (intervening.resume, intervening.describe_resume),
    "add": (intervening.add, intervening.describe_add),
    "report": (commands.report, _study),
    "rerun": (commands.rerun, _rerun),
    "train": (commands.train, _train),
    "ui": (commands.ui, _port),
    "sync": (syncing.sync, syncing.describe),
    "import": (importing.import_, importing.describe),
    "doctor": (commands.doctor, lambda parser: None),
    "list": (
        commands.list_,
        _optional("axis", "such as optimizer or optimizer/soap; default: everything"),
    ),
}
