"""The record of one study: which trials were proposed, which runs were asked, how they ended.

`run.yaml` means asked, `result.json` means over. Everything else is derived from these files, so
there is no second database to disagree with them. The controller is the only writer.

    study.yaml                                      the resolved study
    decisions.jsonl                                 what was decided, when, on what evidence
    trials/NNNNN-FINGERPRINT/trial.yaml
    trials/NNNNN-FINGERPRINT/runs/STAGE-sSEED/      run.yaml · metrics.jsonl · result.json
    reruns/NNNNN/                                   the same run files, for `rerun`
    pilots/NNNNN/                                   and for the runs that time the arms
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import yaml

from selector.config.decode import run_config
from selector.config.identity import plain
from selector.config.schema import RunConfig
from selector.errors import ConfigError, StudyError
from selector.track.run import Outcome, Result, Run, Stage, Told, Trial
from selector.track.seal import broken, checksum, sealed
from selector.track.simple_yaml import simple
from selector.track.store import Store

FORMAT = 1
T = TypeVar("T")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run that was asked for; `result` is None until it is over."""

    run: Run
    trial: Trial | None
    """None for reruns, pilots and single runs."""
    result: Result | None
    curve: str = ""
    """The check of the rows it reported; empty until it is over."""


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """YAML as people read it: keys in their order, floats that every reader takes as floats."""
    return str(yaml.dump(plain(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def from_yaml(text: str) -> Any:
    """What `to_yaml` wrote."""
    found = simple(text)
    return yaml.load(text, Loader=_Loader) if found is None else found


class Record:
    """Trials and runs of one study, read once from `store` and kept in step with it.

    Args:
        store: Where the files lie.
        on_damage: Who may mend, the controller, is told here that a run's files were damaged: they
            are set aside, and the run counts as not over. None: damage is an error.
    """

    def __init__(self, store: Store, on_damage: Callable[[str], None] | None = None) -> None:
        self.store, self._on_damage = store, on_damage
        self.trials: dict[int, Trial] = {}
        self._runs: dict[str, StoredRun] = {}
        for name in store.names("trials"):
            self._read_trial(f"trials/{name}")
        for folder in ("reruns", "pilots"):
            for name in store.names(folder):
                self._read_run(f"{folder}/{name}", None)

    def study(self) -> dict[str, Any] | None:
        """The stored study; None where nothing is stored yet."""
        return stored_study(self.store)

    def write_study(self, mapping: Mapping[str, Any]) -> None:
        """Store the resolved study."""
        self._write("study.yaml", to_yaml({"format": FORMAT, **mapping}))

    def add_trial(self, trial: Trial) -> None:
        """Store a proposed trial."""
        mapping = {
            "format": FORMAT,
            "number": trial.number,
            "arm": trial.arm,
            "sub_search": trial.sub_search,
            "index": trial.index,
            "values": trial.values,
            "config": trial.config,
        }
        if trial.given:
            mapping["given"] = "hand"
        self._write(f"trials/{trial.folder}/trial.yaml", to_yaml(mapping))
        self.trials[trial.number] = trial

    def run_key(self, trial: Trial, stage: str, seed: int) -> str:
        """The run's folder, which is also its name in the study."""
        return f"trials/{trial.folder}/runs/{stage}-s{seed}"

    def ask(self, run: Run, trial: Trial | None) -> Run:
        """Store that a run is asked for; returns it with its folder on the disk filled in.

        What an earlier, unfinished attempt reported is dropped: the run starts again.
        """
        content = {"format": FORMAT, "stage": run.stage, "seed": run.seed, "tokens": run.tokens}
        if run.trunk_for:
            content["trunk_for"] = run.trunk_for
        if trial is None:
            content["config"] = run.config
        self.store.remove(f"{run.key}/result.json")
        self.store.remove(f"{run.key}/metrics.jsonl")
        self._write(f"{run.key}/run.yaml", to_yaml(content))
        run = replace(run, folder=self.store.path(run.key))
        self._runs[run.key] = StoredRun(run=run, trial=trial, result=None)
        return run

    def alone(self, key: str) -> StoredRun | None:
        """The run in a folder that belongs to no trial; None where there is none."""
        self._read_run(key, None)
        return self._runs.get(key)

    def report(self, key: str, step: int, metrics: Mapping[str, float]) -> None:
        """Append metrics of a run after `step` steps; what is not finite is left out."""
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        line = json.dumps({"step": step, **finite}, allow_nan=False)
        self.store.append(f"{key}/metrics.jsonl", line + "\n")

    def finish(self, key: str, result: Result) -> None:
        """Store that a run is over; written last, it is what makes it so."""
        # Undecodable bytes in an error, such as a file's name, would make every reader stumble.
        result = replace(result, error=result.error.encode("utf-8", "replace").decode())
        content = {"format": FORMAT, **plain({**vars(result), "told": None})}
        if result.told is not None:
            content["told"] = plain(result.told)
        else:
            del content["told"]
        content["curve"] = curve = checksum(key, "".join(self.store.lines(f"{key}/metrics.jsonl")))
        self.store.flush(f"{key}/metrics.jsonl")
        self._write(f"{key}/result.json", json.dumps(content, indent=1, allow_nan=False))
        self._runs[key] = replace(self._runs[key], result=result, curve=curve)

    def decide(self, decision: Mapping[str, Any]) -> None:
        """Append what was decided and on what evidence; durable when this returns."""
        line = json.dumps({"format": FORMAT, **plain(decision)}, allow_nan=False)
        self.store.append("decisions.jsonl", sealed("decisions.jsonl", line))
        self.store.flush("decisions.jsonl")

    def decisions(self) -> list[dict[str, Any]]:
        """Everything decided, in order.

        Raises:
            StudyError: a line is damaged.
        """
        found = []
        for number, line in enumerate(self.store.lines("decisions.jsonl"), 1):
            if what := broken("decisions.jsonl", line):
                with _irreplaceable():
                    raise _damaged(self.store, "decisions.jsonl", f"line {number}: {what}")
            decision = json.loads(line)
            del decision["check"]
            found.append(decision)
        return found

    def run(self, key: str) -> StoredRun | None:
        """The run called `key`, if it was asked for."""
        return self._runs.get(key)

    def runs(self, stage: str | None = None) -> Iterator[StoredRun]:
        """All runs asked for, in order of trial and then of asking."""
        for stored in list(self._runs.values()):
            if stage is None or stored.run.stage == stage:
                yield stored

    def curve(self, key: str) -> list[dict[str, float]]:
        """What a run reported: rows of `step` and metrics, in order of steps.

        Raises:
            StudyError: the run is over, and these are not the rows that its result rests on.
        """
        name, stored = f"{key}/metrics.jsonl", self._runs.get(key)
        lines = list(self.store.lines(name))
        check = stored.curve if stored else ""
        if lines and check and checksum(key, "".join(lines)) != check:
            over = self.store.path(f"{key}/result.json") or f"{key}/result.json"
            what = "these are not the rows that the run reported"
            raise _damaged(
                self.store, name, f"{what}; delete {over}, and `selector run` makes the run again"
            )
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise _damaged(self.store, name, str(error)) from error

    def _write(self, name: str, text: str) -> None:
        self.store.write(name, sealed(name, text))

    def _read_trial(self, folder: str) -> None:
        with _irreplaceable():
            trial = _read(self.store, f"{folder}/trial.yaml", _trial)
        if trial is None:  # the controller died before it had written it: never asked
            return
        self.trials[trial.number] = trial
        for name in self.store.names(f"{folder}/runs"):
            self._read_run(f"{folder}/runs/{name}", trial)

    def _read_run(self, key: str, trial: Trial | None) -> None:
        run = self._mended(f"{key}/run.yaml", lambda mapping: self._run(key, trial, mapping))
        if run is None:  # the controller died before it had written it: never asked
            return
        over = self._mended(f"{key}/result.json", lambda mapping: _over(run, mapping))
        result, curve = over or (None, "")
        self._runs[key] = StoredRun(run=run, trial=trial, result=result, curve=curve)

    def _run(self, key: str, trial: Trial | None, mapping: Mapping[str, Any]) -> Run:
        config: RunConfig = trial.config if trial else run_config(mapping["config"])
        return Run(
            key=key,
            config=config,
            stage=str(mapping["stage"]),
            seed=int(mapping["seed"]),
            tokens=int(mapping["tokens"]),
            folder=self.store.path(key),
            trunk_for=int(mapping.get("trunk_for", 0)),
        )

    def _mended(self, name: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
        """What a run's file holds; None where it is not there, or was damaged and set aside.

        A run can be made again from its trial and its seed, and decisions carry the evidence they
        were taken on: one damaged run need not end a study.
        """
        try:
            return _read(self.store, name, read)
        except _DamagedError as error:
            if self._on_damage is None:
                raise StudyError(f"{error}; `selector run` makes this run again") from error
            self.store.rename(name, f"{name}.damaged")
            self._on_damage(f"{error}; it is set aside as {name}.damaged, the run is made again")
            return None


class _DamagedError(StudyError):
    """A file whose content is not what was written."""


def _damaged(store: Store, name: str, what: str) -> _DamagedError:
    return _DamagedError(f"{store.path(name) or name}: is damaged: {what}")


@contextmanager
def _irreplaceable() -> Iterator[None]:
    """Say what to do about a damaged file whose content nothing else tells."""
    try:
        yield
    except _DamagedError as error:
        raise StudyError(
            f"{error}; put it back from a copy, or start again under another name"
        ) from error


def _over(run: Run, mapping: Mapping[str, Any]) -> tuple[Result, str]:
    """A run's result, and the check of its rows."""
    told, value = mapping.get("told"), mapping["value"]
    if run.stage == Stage.EXPLORE and told is None:
        raise KeyError("told")
    result = Result(
        outcome=Outcome(mapping["outcome"]),
        value=None if value is None else float(value),
        metrics={name: float(number) for name, number in mapping["metrics"].items()},
        steps=int(mapping["steps"]),
        seconds=float(mapping["seconds"]),
        error=str(mapping["error"]),
        facts=dict(mapping["facts"]),
        told=Told(**told) if told else None,
    )
    return result, str(mapping["curve"])


def _trial(mapping: Mapping[str, Any]) -> Trial:
    return Trial(
        number=int(mapping["number"]),
        arm=str(mapping["arm"]),
        sub_search=int(mapping["sub_search"]),
        index=int(mapping["index"]),
        values=dict(mapping["values"]),
        config=run_config(mapping["config"]),
        given=mapping.get("given") == "hand",
    )


def stored_study(store: Store) -> dict[str, Any] | None:
    """The content of study.yaml; None where nothing is stored yet.

    Raises:
        StudyError: it cannot be read.
    """
    with _irreplaceable():
        return _read(store, "study.yaml", dict)


def _read(store: Store, name: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
    """What `read` makes of a sealed file; None where it is not there.

    Raises:
        StudyError: it was written by another version; as a _DamagedError, it was damaged.
    """
    text = store.read(name)
    if text is None:
        return None
    try:
        mapping = json.loads(text) if name.endswith(".json") else from_yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _damaged(store, name, str(error).partition("\n")[0]) from error
    number = mapping.get("format") if isinstance(mapping, dict) else None
    if not isinstance(mapping, dict) or type(number) is not int:
        raise _damaged(store, name, "'format' is missing")
    if number != FORMAT:
        raise StudyError(
            f"{store.path(name) or name}: expected a file of format {FORMAT}, got {number}; it"
            " was damaged, or written by another version of selector"
        )
    if what := broken(name, text):
        raise _damaged(store, name, what)
    del mapping["check"]
    try:
        return read(mapping)
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise _damaged(store, name, what) from error
