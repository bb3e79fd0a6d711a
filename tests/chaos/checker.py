"""The history checker: what must hold of a study's folder after any failure, in plain rules.

It reads the files itself where it can, so that a mistake in the record's own reading is seen too.
`violations` returns a line for each broken rule; an empty list means that nothing was lost, counted
twice or left behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from selector.study.stored import StoredStudy, find_study
from selector.track.run import Outcome

_PARTIAL = re.compile(r"^\..+|.*\.(tmp|partial|part)$")
_OUTCOMES = {str(outcome) for outcome in Outcome}
#: Parts of a recommendation that are times, or depend on them.
_TIMES = {
    *("seconds", "ended", "at", "utilization", "tokens_per_second", "model_flop_utilization"),
    *("peak_flops_per_second", "peak_flops_source", "peak_memory_gib", "device_joules"),
}


def violations(folder: Path, *, finished: bool = True) -> list[str]:
    """The rules that the study in `folder` breaks.

    `finished`: it must be at its end: nothing asked without a result, everything that the budget
    asks for there, decisions included.
    """
    broken = _trials(folder) + _runs(folder, finished) + _leftovers(folder) + _manifests(folder)
    try:
        stored = find_study(folder.name, folder.parent)
        if stored is None:
            return [*broken, "study.yaml is not there"]
        return broken + _counts(stored, finished) + _decisions(stored) + _mirrored(stored)
    except Exception as error:  # noqa: BLE001 - whatever it is, the study cannot be read
        return [*broken, f"cannot be read: {error}"]


def _trials(folder: Path) -> list[str]:
    """Trials are numbered from 1 without a gap, and each place of a sub-search is taken once."""
    broken, numbers, places = [], [], Counter[tuple[str, int, int]]()
    for path in sorted((folder / "trials").glob("*")):
        file = path / "trial.yaml"
        if not file.is_file():
            if any(path.rglob("run.yaml")):
                broken.append(f"{path.name}: has runs and no trial.yaml")
            continue
        trial = yaml.safe_load(file.read_text())
        numbers.append(trial["number"])
        if path.name != f"{trial['number']:05d}-{path.name[6:]}":
            broken.append(f"{path.name}: holds trial {trial['number']}")
        if not trial["config"]:
            broken.append(f"{path.name}: has no configuration")
        places[trial["arm"], trial["sub_search"], trial["index"]] += 1
    if numbers != list(range(1, len(numbers) + 1)):
        broken.append(f"trial numbers are {numbers}, not 1..{len(numbers)}")
    broken += [f"{place} was tried {count} times" for place, count in places.items() if count > 1]
    return broken


def _runs(folder: Path, finished: bool) -> list[str]:
    """Each run has one terminal state, and what a complete one rests on."""
    broken = []
    for asked in sorted(folder.glob("trials/*/runs/*/run.yaml")):
        name, run = str(asked.parent.relative_to(folder)), yaml.safe_load(asked.read_text())
        if asked.parent.name != f"{run['stage']}-s{run['seed']}":
            broken.append(f"{name}: holds the run {run['stage']}-s{run['seed']}")
        path = asked.with_name("result.json")
        if not path.is_file():
            broken += [f"{name}: has no terminal state"] if finished else []
            continue
        result = json.loads(path.read_text())
        if result["outcome"] not in _OUTCOMES:
            broken.append(f"{name}: ended as {result['outcome']!r}")
        if result["outcome"] == Outcome.COMPLETE:
            broken += [f"{name}: {text}" for text in _complete(asked.parent, run, result)]
    for path in folder.glob("trials/*/runs/*/result.json"):
        if not path.with_name("run.yaml").is_file():
            broken.append(f"{path.parent.relative_to(folder)}: is over and was never asked")
    return broken


def _complete(folder: Path, run: dict[str, Any], result: dict[str, Any]) -> list[str]:
    broken = []
    if result["value"] is None:
        broken.append("is complete without a value of the metric")
    config = yaml.safe_load((folder.parent.parent / "trial.yaml").read_text())["config"]
    if not isinstance(run["seed"], int) or run["tokens"] < 1:
        broken.append("has no seed or no length")
    trained = config["objective"]["kind"] not in ("function", "replay")
    if trained and not config["data"]["fingerprint"]:
        broken.append("has no fingerprint of its data")
    last: dict[str, float] = {}
    steps = []
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        steps.append(row.pop("step"))
        last |= row
    if steps != sorted(set(steps)):
        broken.append("its rows do not go from step to step, each once")
    if {key: last.get(key) for key in result["metrics"]} != result["metrics"]:
        broken.append("its last rows are not the metrics of its result")
    return broken


def _leftovers(folder: Path) -> list[str]:
    """No temporary and no half-written file anywhere."""
    return [
        f"{path.relative_to(folder)}: was left behind"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _PARTIAL.match(path.name)
    ]


def _manifests(folder: Path) -> list[str]:
    """Every file that a manifest names is there with its size and SHA-256."""
    broken = []
    for path in folder.rglob("manifest.json"):
        for name, size, digest in _named(json.loads(path.read_text())):
            content = (path.parent / name).read_bytes() if (path.parent / name).is_file() else b""
            same = size in (None, len(content)) and hashlib.sha256(content).hexdigest() == digest
            if not same:
                broken.append(f"{path.relative_to(folder)}: {name} is not what it names")
    return broken


def _named(manifest: dict[str, Any]) -> list[tuple[str, int | None, str]]:
    """(file, size, sha256) of a manifest: of one file, or of several by name."""
    files = manifest.get("files")
    if isinstance(files, dict):
        return [(name, item.get("bytes"), item["sha256"]) for name, item in files.items()]
    if "sha256" in manifest:
        return [
            (manifest.get("file", "weights.safetensors"), manifest.get("bytes"), manifest["sha256"])
        ]
    return []


def _counts(stored: StoredStudy, finished: bool) -> list[str]:
    """No more runs than the budget asks for, at the end no fewer, and none counted twice."""
    from selector.study.searches import Searches

    broken = []
    runs = [item for item in stored.record.runs() if item.trial]
    prints = Counter(item.run.fingerprint for item in runs)
    broken += [
        f"run {print_} is there {count} times" for print_, count in prints.items() if count > 1
    ]
    searches = Searches(stored.study, stored.record)
    if finished and not searches.complete:
        broken.append(f"{searches.finished} of {searches.total} runs are over, so it is not done")
    if searches.finished > searches.total or len(runs) > searches.total:
        broken.append(f"{len(runs)} runs, and the budget asks for {searches.total}")
    limit = {arm.name: stored.study.trials_in(arm) for arm in stored.study.arms}
    for search in searches:
        if search.asked > search.total or (finished and search.total < limit[search.arm.name]):
            broken.append(f"{search.arm.name}/{search.number}: {search.asked} of {search.total}")
    return broken


def _decisions(stored: StoredStudy) -> list[str]:
    """What was decided names trials that are there, with the values that they have; once each."""
    broken = []
    values = {
        item.trial.number: item.result.value
        for item in stored.record.runs()
        if item.trial and item.result and item.run.stage == "explore"
    }
    said: Counter[str] = Counter()
    for item in stored.record.decisions():
        same = {key: value for key, value in item.items() if key != "at"}
        said[json.dumps(same, sort_keys=True)] += 1
        if item["decision"] == "finalist" and values.get(item["trial"]) != item["value"]:
            broken.append(f"the finalist {item['trial']} had {values.get(item['trial'])}")
    return broken + [f"decided {count} times: {text}" for text, count in said.items() if count > 1]


def _mirrored(stored: StoredStudy) -> list[str]:
    """Where MLflow's store is: every finished run is there once, with its outcome."""
    if stored.study.tracker.name != "mlflow" or not (stored.folder.parent / "mlflow.db").exists():
        return []
    from tests.track.stored import Stored

    try:
        found = Stored(stored.folder.parent).found(stored.study.name)
    except AssertionError:
        return ["MLflow has a run twice, or not the study"]
    broken = []
    for item in stored.record.runs():
        if item.result is None:
            continue
        tags = found[item.run.key].data.tags if item.run.key in found else {}
        if tags.get("selector.outcome") != str(item.result.outcome):
            broken.append(f"{item.run.key}: MLflow says {tags.get('selector.outcome')}")
    extra = set(found) - {item.run.key for item in stored.record.runs()}
    return broken + [f"MLflow has {key}, the record has not" for key in sorted(extra)]


def conclusions(recommendation: Path) -> Any:
    """A recommendation without times: what must be the same however often it was interrupted."""
    return _timeless(json.loads(recommendation.read_text()))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def results(folder: Path) -> dict[str, Any]:
    """Run -> how it ended and what it reported, without times: equal for equal studies."""
    found = {}
    for path in sorted(folder.glob("trials/*/runs/*/result.json")):
        result = json.loads(path.read_text())
        kept = {key: result.get(key) for key in ("outcome", "value", "steps", "told")}
        kept["metrics"] = _timeless(result["metrics"])
        found[str(path.parent.relative_to(folder))] = kept
    return found


def living(mark: str) -> list[tuple[int, str]]:
    """(id, command line) of the living processes whose environment holds `mark`, but for this."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z" or mark.encode() not in (path / "environ").read_bytes():
                continue
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if int(path.name) != os.getpid():
            found.append((int(path.name), command))
    return found
