"""Opening what is stored of a study: its resolved question and its record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.config.decode import unknown
from selector.config.locations import study_names
from selector.errors import ConfigError, StudyError
from selector.study.study import Study, from_mapping
from selector.track.record import Record, stored_study
from selector.track.store import FolderStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = ("artifacts", "mlflow.db", "_single")


@dataclass(frozen=True, kw_only=True)
class StoredStudy:
    """A study and everything that was recorded of it."""

    study: Study
    record: Record
    folder: Path


def check_name(name: str) -> str:
    """`name` itself, where it can name a folder and nothing outside it.

    Raises:
        ConfigError: it has a path in it, or is reserved.
    """
    if not _NAME.fullmatch(name) or ".." in name or _reserved(name):
        raise ConfigError(
            f"name: expected letters, digits, '.', '_' and '-' (at most 64, the first a letter or"
            f" digit, not {', '.join(_RESERVED)}), got {name!r}"
        )
    return name


def _reserved(name: str) -> bool:
    """Whether MLflow or selector has a use for it; SQLite keeps mlflow.db-journal and the like."""
    return name in _RESERVED or name.startswith("mlflow.db")


def open_study(name: str, runs: Path) -> StoredStudy:
    """What is stored of the study called `name` in the folder `runs`.

    Raises:
        StudyError: nothing is stored under that name, or it cannot be read.
        ConfigError: the name cannot name a folder.
    """
    found = find_study(name, runs)
    if found is None:
        names = sorted(path.parent.name for path in runs.glob("*/study.yaml"))
        hint = f"; `selector run {name}` starts it" if name in study_names() else ""
        raise StudyError(f"{runs}: {unknown('study', name, names)}{hint}")
    return found


def find_study(name: str, runs: Path) -> StoredStudy | None:
    """What is stored under `name`; None where nothing is.

    Raises:
        StudyError: it cannot be read.
        ConfigError: the name cannot name a folder.
    """
    folder = runs / check_name(name)
    mapping = stored_study(FolderStore(folder))
    if mapping is None:
        return None
    study = read_mapping(mapping, folder)
    return StoredStudy(study=study, record=Record(FolderStore(folder)), folder=folder)


def read_mapping(mapping: Mapping[str, Any], folder: Path) -> Study:
    """The study that study.yaml in `folder` describes.

    Raises:
        StudyError: it was damaged, or the folder was renamed.
    """
    try:
        study = from_mapping(mapping)
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StudyError(f"{folder / 'study.yaml'}: is damaged: {error}") from error
    if study.name != folder.name:
        raise StudyError(f"{folder}: holds the study {study.name!r}; give the folder that name")
    return study
