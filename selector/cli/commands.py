"""What each command does: call the package, print what a person or a program wants to see."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selector.errors import ConfigError, InputError, StudyError


def plan(asked: argparse.Namespace) -> int:
    """What would run: arms, spaces, runs, tokens, time; trains nothing."""
    import selector
    from selector.cli import plan as planned
    from selector.cli.explain import explained_mapping, show_explained
    from selector.study.explain import explain

    made = selector.plan(asked.study, asked.overrides, runs=asked.runs, start=asked.start)
    explained = explain(made.study) if asked.explain else ()
    if asked.json:
        more = {"explained": explained_mapping(explained)} if asked.explain else {}
        return print_json(planned.plan_mapping(made) | more)
    planned.show_plan(made, asked.study, asked.overrides, asked.start)
    show_explained(explained)
    return 0


def run(asked: argparse.Namespace) -> int:
    """Run a study, or go on with it; ends by writing the report."""
    import selector
    from selector.cli.progress import Progress

    with Progress(silent=asked.json) as progress:
        written, message = selector.run_and_report(
            asked.study,
            asked.overrides,
            runs=asked.runs,
            reports=asked.reports,
            start=asked.start,
            on_notice=progress.notice,
            on_progress=progress.study,
        )
    last = written[-1].recommendation  # of the second stage, where one followed
    if asked.json:
        print_json(last)
    else:
        for stage in written:
            _print_report(stage, together=stage is written[-1])
        if message:
            print(f"\n{message}")
    return 0 if last["recommended"] else 1


def status(asked: argparse.Namespace) -> int:
    """Progress, best so far, failures by kind; of all stored studies without a name."""
    from selector.cli import show
    from selector.study.followup import second_name
    from selector.study.status import Status
    from selector.study.status import status as read
    from selector.study.stored import open_study

    if asked.study is not None:
        names = [stored_name(asked.study)]
        second = second_name(names[0])
        if not asked.json and (asked.runs / second / "study.yaml").is_file():
            names.append(second)
    else:
        names = sorted(path.parent.name for path in asked.runs.glob("*/study.yaml"))
    found: list[Status] = []
    mistakes: list[str] = []
    for name in names:
        try:
            found.append(read(open_study(name, asked.runs)))
        except InputError as error:  # one that is damaged does not hide the others
            mistakes += error.mistakes
    if mistakes and (asked.study or asked.json):
        raise StudyError(mistakes)
    if asked.json:
        mappings = [show.status_mapping(item) for item in found]
        return print_json(mappings[0] if asked.study is not None else {"studies": mappings})
    for item in found:
        show.status(item)
    if mistakes:
        raise StudyError(mistakes)
    if not found:
        print(f"nothing is stored in {asked.runs}; `selector list` names studies to run")
    return 0


def report(asked: argparse.Namespace) -> int:
    """Write the report from what is stored, at any moment; an unfinished study says so."""
    import selector

    written = selector.report(stored_name(asked.study), runs=asked.runs, reports=asked.reports)
    if asked.json:
        return print_json(written.recommendation)
    _print_report(written)
    return 0


def rerun(asked: argparse.Namespace) -> int:
    """Train the recommended configuration (or that of a trial) again and compare the curves."""
    from selector.cli.progress import Progress
    from selector.rerun import rerun as again
    from selector.signals import StopSignals
    from selector.study.stored import open_study
    from selector.track import make_tracker

    stored = open_study(stored_name(asked.study), asked.runs)
    tracker = make_tracker(stored.study.tracker, asked.runs)
    try:
        with StopSignals() as signals, Progress(silent=asked.json) as progress:
            done = again(
                stored,
                tracker,
                trial_number=asked.trial,
                overrides=asked.overrides,
                on_report=progress.run,
                on_notice=progress.notice,
                interrupted=lambda: signals.number,
            )
    finally:
        message = tracker.close()
    return _print_run(asked, done, asked.runs / stored.study.name, message)


def train(asked: argparse.Namespace) -> int:
    """One run of one configuration: a recommended.yaml, or the defaults, under overrides."""
    from selector.cli.progress import Progress
    from selector.config.compose import load_yaml
    from selector.config.single import compose_single
    from selector.rerun import train as single
    from selector.signals import StopSignals
    from selector.study.trunks import open_trunk
    from selector.track import make_tracker

    overrides = list(asked.overrides)
    file = Path(overrides.pop(0)) if overrides and "=" not in overrides[0] else None
    if file is not None and not file.is_file():
        raise ConfigError(f"{file}: no such file; expected a recommended.yaml or KEY=VALUE")
    stored = load_yaml(file) if file else {}
    if "defaults" in stored:
        raise ConfigError(f"{file}: is a study; `selector run {file}` runs it")
    trunk = open_trunk(asked.trunk.absolute()) if asked.trunk else None
    if trunk is not None and asked.trunk_for:
        raise ConfigError("--trunk-for: a run that starts --from a trunk keeps none itself")
    if trunk is not None and file is not None:
        raise ConfigError(f"{file}: --from takes the configuration of the run in {asked.trunk}")
    if trunk is not None:
        stored = trunk.mapping
    composed = compose_single(stored, overrides, str(file or ""))
    tracker = make_tracker(composed.tracker, asked.runs)
    try:
        with StopSignals() as signals, Progress(silent=asked.json) as progress:
            for note in composed.notes:
                progress.notice(note)
            done = single(
                composed,
                asked.runs,
                tracker,
                trunk_for=int(asked.trunk_for),
                trunk=trunk,
                on_report=progress.run,
                on_notice=progress.notice,
                interrupted=lambda: signals.number,
            )
    finally:
        message = tracker.close()
    return _print_run(asked, done, asked.runs / "_single", message)


def ui(asked: argparse.Namespace) -> int:
    """The MLflow UI on 127.0.0.1, on the store of the runs folder."""
    from selector.track.ui import serve

    def ready(address: str) -> None:
        if asked.json:
            print_json({"address": address})
        else:
            print(f"MLflow is at {address} (Ctrl-C ends it)", flush=True)

    return serve(asked.runs, asked.port, ready=ready)


def doctor(asked: argparse.Namespace) -> int:
    """What is here, what will be used, what is missing for what, and how to get it."""
    from selector.cli.doctor import doctor_mapping, show_doctor
    from selector.launch.checkup import broken, checkup

    findings = checkup(asked.runs)
    if asked.json:
        print_json(doctor_mapping(findings))
    else:
        show_doctor(findings)
    return int(broken(findings))


def list_(asked: argparse.Namespace) -> int:
    """Studies, axes, techniques and settings, a line each; of one option, its YAML file."""
    from selector.cli import catalogue
    from selector.config.catalogue import axes
    from selector.config.decode import unknown

    axis, _, option = (asked.axis or "").partition("/")
    found = axes()
    if (axis or option) and axis not in found:
        raise ConfigError(unknown("axis", axis, list(found)))
    if option and option not in found[axis]:
        raise ConfigError(unknown(f"option of {axis}", option, list(found[axis])))
    if asked.json:
        one = catalogue.option_mapping(axis, option) if option else None
        return print_json(one or catalogue.catalogue_mapping(axis))
    if option:
        print(catalogue.option_text(axis, option), end="")
    elif axis:
        catalogue.show_axis(axis)
    else:
        catalogue.show_everything()
    return 0


def stored_name(study: str) -> str:
    """The name under which a study is stored: of a path, the name that the file gives itself."""
    if "/" not in study and not study.endswith(".yaml"):
        return study
    from selector.config.compose import load_yaml

    return str(load_yaml(Path(study)).get("name", Path(study).stem))


def _print_report(written: Any, *, together: bool = True) -> None:
    print(f"\n{written.sentence}\n")
    both = written.recommendation["together"]
    if together and both is not None:
        print("\n".join([both["sentence"], *both["notes"], ""]))
    print(f"report:  {_short(written.page)}")
    rerun_command = written.recommendation.get("rerun")
    if rerun_command:
        print(f"again:   {rerun_command}")


def _print_run(asked: argparse.Namespace, done: Any, folder: Path, message: str) -> int:
    mapping = {
        "metrics": dict(done.result.metrics),
        "value": done.result.value,
        "fingerprint": done.run.fingerprint,
        "agrees": done.agrees,
        "text": done.text,
        "seconds": done.result.seconds,
        "folder": str(folder / done.run.key),
    }
    if asked.json:
        print_json(mapping)
    else:
        for name, value in done.result.metrics.items():
            print(f"  {name:28} {value:.6g}")
        print(f"  {'fingerprint':28} {done.run.fingerprint}")
        print(f"  {'folder':28} {_short(folder / done.run.key)}")
        weights = folder / done.run.key / "checkpoint" / "weights.safetensors"
        if weights.exists():
            print(f"  {'weights':28} {_short(weights)}")
        print("".join(f"\n{text}" for text in (done.text, message) if text))
    return 1 if done.agrees is False else 0


def _short(path: Path) -> str:
    """The path as a person in the current folder would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def print_json(mapping: Mapping[str, Any]) -> int:
    """Print one object, as programs read it."""
    from selector.config.identity import plain

    print(json.dumps(plain(mapping), indent=1, allow_nan=False))
    return 0
