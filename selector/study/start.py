"""What a study starts from, kept so that it goes on with the same: `run STUDY --from NAME`.

Another study's finished runs are taken over where this one would make the very same; what else is
known is a start for samplers that learn. What was decided at the start is stored before anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selector.config.identity import plain
from selector.config.technique import Value
from selector.errors import StudyError
from selector.study.history import as_tuple, parsed, prior, prior_note, read_observations
from selector.study.sampler import Past
from selector.study.stored import check_name, find_study
from selector.study.study import Study
from selector.study.takeover import Adopted, adopted, takeover_note
from selector.track.lock import is_locked
from selector.track.record import FORMAT, Record
from selector.track.run import Told
from selector.track.store import Store

#: In the folder of a study.
FILE = "start.json"
DECISION = "start"


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a study started from."""

    name: str
    """Of an import or a study; empty: from nothing."""
    known: Mapping[str, Sequence[Past]] = field(default_factory=dict)
    """Arm -> observations from elsewhere with which a sampler that learns starts."""
    adopted: Mapping[str, Adopted] = field(default_factory=dict)
    """Arm -> the trials of the other study that are its own first ones."""


def start_from(name: str, study: Study, record: Record, runs: Path) -> str:
    """Let a study that has no trial yet start with what is stored under `name`.

    Returns:
        What became of it, for people; empty where the study goes on with that start.

    Raises:
        StudyError: there is nothing under that name, or the study has begun otherwise.
        ConfigError: what is there is judged otherwise than the study.
    """
    _refuse_itself(name, study)
    known = read_start(record.store)
    if known.name == name:
        return ""
    if known.name or record.trials:
        began = f"with --from {known.name}" if known.name else "without --from"
        path = record.store.path("trials") or study.name
        raise StudyError(
            f"{path}: {study.name} began {began}, and its trials rest on that; `name="
            f"{study.name}_2` stores one that starts from {name} beside it"
        )
    if is_locked(runs / check_name(name)):
        raise StudyError(
            f"--from: {runs / name} is being run; wait for it, or end it: `selector stop {name}`"
        )
    stored = find_study(name, runs)
    takes = adopted(stored, study) if stored is not None else {}
    observations = read_observations(name, runs)
    rest = [arm for arm in study.arms if arm.name not in takes]
    found = prior(observations, study, rest)
    write_start(record.store, Start(name=name, known=found, adopted=takes))
    notes = [takeover_note(stored, study)] if stored is not None else []
    if rest:
        notes.append(prior_note(observations, study, rest))
    note = "; ".join(notes)
    record.decide({"decision": DECISION, "from": name, "note": note})
    return note


def foresee(name: str, study: Study, runs: Path) -> str:
    """What `start_from` would take over of the study called `name`; of an import: what fits.

    Raises:
        StudyError: there is nothing under that name.
        ConfigError: what is there is judged otherwise than the study.
    """
    _refuse_itself(name, study)
    stored = find_study(name, runs)
    if stored is None:
        return prior_note(read_observations(name, runs), study)
    return takeover_note(stored, study)


def _refuse_itself(name: str, study: Study) -> None:
    if name == study.name:
        raise StudyError(
            f"--from: {name} is this study; `selector run {name}` goes on with it, and"
            f" name={name}_2 stores another that takes over its runs"
        )


def write_start(store: Store, start: Start) -> None:
    """Keep what a study starts from, whatever becomes of that."""
    content = {
        "format": FORMAT,
        "from": start.name,
        "arms": {arm: [plain(past) for past in pasts] for arm, pasts in start.known.items()},
        "adopted": plain(dict(start.adopted)),
    }
    store.write(FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_start(store: Store) -> Start:
    """What a study started from.

    Raises:
        StudyError: it cannot be read.
    """
    text = store.read(FILE)
    if text is None:
        return Start(name="")
    try:
        mapping = parsed(text)
        arms = {
            arm: [Past(values=_values(past["values"]), told=Told(**past["told"])) for past in pasts]
            for arm, pasts in mapping["arms"].items()
        }
        takes = {arm: Adopted.read(item) for arm, item in mapping["adopted"].items()}
        return Start(name=str(mapping["from"]), known=arms, adopted=takes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{store.path(FILE) or FILE}: is damaged: {error}") from error


def _values(mapping: Mapping[str, Any]) -> dict[str, Value]:
    return {key: as_tuple(value) for key, value in mapping.items()}
