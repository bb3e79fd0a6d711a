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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import yaml

from selector.config.decode import run_config
from selector.config.identity import plain
from selector.config.schema import RunConfig
from selector.errors import ConfigError, StudyError
from selector.track.run import Outcome, Result, Run, Stage, Told, Trial
from selector.track.store import Store

FORMAT = 1
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run that was asked for; `result` is None until it is over."""

    run: Run
    trial: Trial | None
    """None for reruns, pilots and single runs."""
    result: Result | None


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """YAML as people read it: keys in their order, floats that every reader takes as floats."""
    return str(yaml.dump(plain(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def from_yaml(text: str) -> Any:
    """What `to_yaml` wrote."""
    return yaml.load(text, Loader=_Loader)


class Record:
    """Trials and runs of one study, read once from `store` and kept in step with it."""

    def __init__(self, store: Store) -> None:
        self.store = store
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
        self.store.write("study.yaml", to_yaml({"format": FORMAT, **mapping}))

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
        self.store.write(f"trials/{trial.folder}/trial.yaml", to_yaml(mapping))
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
        self.store.write(f"{run.key}/run.yaml", to_yaml(content))
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
        text = json.dumps(content, indent=1, allow_nan=False)
        self.store.write(f"{key}/result.json", text + "\n")
        self._runs[key] = replace(self._runs[key], result=result)

    def decide(self, decision: Mapping[str, Any]) -> None:
        """Append what was decided and on what evidence."""
        line = json.dumps({"format": FORMAT, **plain(decision)}, allow_nan=False)
        self.store.append("decisions.jsonl", line + "\n")

    def decisions(self) -> list[dict[str, Any]]:
        """Everything decided, in order."""
        return self._rows("decisions.jsonl")

    def run(self, key: str) -> StoredRun | None:
        """The run called `key`, if it was asked for."""
        return self._runs.get(key)

    def runs(self, stage: str | None = None) -> Iterator[StoredRun]:
        """All runs asked for, in order of trial and then of asking."""
        for stored in list(self._runs.values()):
            if stage is None or stored.run.stage == stage:
                yield stored

    def curve(self, key: str) -> list[dict[str, float]]:
        """What a run reported: rows of `step` and metrics, in order of steps."""
        return self._rows(f"{key}/metrics.jsonl")

    def _rows(self, name: str) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in self.store.lines(name)]
        except ValueError as error:
            raise StudyError(f"{self.store.path(name) or name}: cannot be read: {error}") from error

    def _read_trial(self, folder: str) -> None:
        text = self.store.read(f"{folder}/trial.yaml")
        if text is None:  # the controller died before it had written it: never asked
            return
        name = f"{folder}/trial.yaml"
        mapping = _parse(self.store, name, text)
        with self._damage(name):
            trial = Trial(
                number=int(mapping["number"]),
                arm=str(mapping["arm"]),
                sub_search=int(mapping["sub_search"]),
                index=int(mapping["index"]),
                values=dict(mapping["values"]),
                config=run_config(mapping["config"]),
                given=mapping.get("given") == "hand",
            )
        self.trials[trial.number] = trial
        for name in self.store.names(f"{folder}/runs"):
            self._read_run(f"{folder}/runs/{name}", trial)

    def _read_run(self, key: str, trial: Trial | None) -> None:
        text = self.store.read(f"{key}/run.yaml")
        if text is None:
            return
        mapping = _parse(self.store, f"{key}/run.yaml", text)
        with self._damage(f"{key}/run.yaml"):
            config: RunConfig = trial.config if trial else run_config(mapping["config"])
            run = Run(
                key=key,
                config=config,
                stage=str(mapping["stage"]),
                seed=int(mapping["seed"]),
                tokens=int(mapping["tokens"]),
                folder=self.store.path(key),
                trunk_for=int(mapping.get("trunk_for", 0)),
            )
        result = self._read_result(key)
        if result and run.stage == Stage.EXPLORE and result.told is None:
            path = self.store.path(f"{key}/result.json") or key
            raise StudyError(f"{path}: is damaged: 'told' is missing")
        self._runs[key] = StoredRun(run=run, trial=trial, result=result)

    def _read_result(self, key: str) -> Result | None:
        text = self.store.read(f"{key}/result.json")
        if text is None:
            return None
        mapping = _parse(self.store, f"{key}/result.json", text)
        with self._damage(f"{key}/result.json"):
            told, value = mapping.get("told"), mapping["value"]
            return Result(
                outcome=Outcome(mapping["outcome"]),
                value=None if value is None else float(value),
                metrics={name: float(number) for name, number in mapping["metrics"].items()},
                steps=int(mapping["steps"]),
                seconds=float(mapping["seconds"]),
                error=str(mapping["error"]),
                facts=dict(mapping["facts"]),
                told=Told(**told) if told else None,
            )

    @contextmanager
    def _damage(self, name: str) -> Iterator[None]:
        """Name the file in which something is missing or of the wrong kind."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise StudyError(f"{self.store.path(name) or name}: is damaged: {what}") from error


def stored_study(store: Store) -> dict[str, Any] | None:
    """The content of study.yaml; None where nothing is stored yet.

    Raises:
        StudyError: it cannot be read.
    """
    text = store.read("study.yaml")
    return None if text is None else _parse(store, "study.yaml", text)


def _parse(store: Store, name: str, text: str) -> dict[str, Any]:
    path = store.path(name) or name
    try:
        mapping = json.loads(text) if name.endswith(".json") else from_yaml(text)
    except (ValueError, yaml.YAMLError) as error:
        first = str(error).partition("\n")[0]
        raise StudyError(f"{path}: cannot be read: {first}") from error
    if not isinstance(mapping, dict) or mapping.get("format") != FORMAT:
        given = mapping.get("format") if isinstance(mapping, dict) else mapping
        raise StudyError(
            f"{path}: expected a file of format {FORMAT}, got {given!r}; it was damaged, or written"
            " by another version of selector"
        )
    return mapping
