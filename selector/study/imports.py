"""Earlier experiments as observations: of a CSV file, an MLflow experiment, an Optuna study."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.config.decode import Mistakes, unknown
from selector.config.schema import PARTS
from selector.config.secrets import redacted
from selector.config.technique import Value
from selector.errors import ConfigError, DataError
from selector.launch.table import read_table
from selector.study.history import Observation, Observations

#: The key under which an observation's length is given; `tokens` is what the mirror calls it.
TOKENS = "budget.tokens"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Observations, and how many rows of the source are none, by the reason."""

    observations: Observations
    skipped: Mapping[str, int]


def from_csv(name: str, path: Path, metric: str, maps: Mapping[str, str]) -> Imported:
    """The rows of a table; an empty metric is no observation, nan or inf a divergence.

    `maps` gives columns their keys; without it, columns that are called like keys keep them.

    Raises:
        InputError: what is wrong with the table or the keys.
    """
    table = read_table(path)
    keys = _keys(maps, list(table.columns), f"{path}: column")
    values = table.numbers(metric)
    rows = [
        ({column: table.columns[column][row] for column in keys}, value)
        for row, value in enumerate(values)
    ]
    return _imported(name, str(path), metric, keys, rows, "")


def from_mlflow(
    name: str, uri: str, experiment: str, metric: str, maps: Mapping[str, str]
) -> Imported:
    """The finished runs of an MLflow experiment, by the last value of the metric.

    Raises:
        InputError: there is no such store, experiment, metric or parameter.
    """
    from selector.track.mlflow import finished_runs

    _refuse_missing_database(uri)
    runs = finished_runs(uri, experiment)
    metrics = sorted({key for _, found in runs for key in found})
    if metric not in metrics:
        raise ConfigError(f"{experiment}: {unknown('metric', metric, metrics)}")
    parameters = list(dict.fromkeys(key for found, _ in runs for key in found))
    keys = _keys(maps, parameters, f"{experiment}: parameter")
    rows = [({key: found.get(key, "") for key in keys}, own.get(metric)) for found, own in runs]
    return _imported(name, f"MLflow experiment {experiment}", metric, keys, rows, "")


def from_optuna(name: str, storage: str, study: str, maps: Mapping[str, str]) -> Imported:
    """The complete trials of an Optuna study: in a database, by its URL, or in a journal file.

    Raises:
        InputError: there is no such storage, study or parameter, or it has several objectives.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = redacted(storage)
    try:
        found = optuna.load_study(study_name=study, storage=_storage(storage))
        trials = found.get_trials(deepcopy=False)
    except KeyError as error:
        names = optuna.get_all_study_names(_storage(storage))
        raise ConfigError(f"{shown}: {unknown('study', study, names)}") from error
    except ConfigError:
        raise
    except Exception as error:  # whatever a driver raises; its message is all there is to say
        text = redacted(str(error))
        raise DataError(f"{shown}: cannot be read by Optuna: {text}") from error
    if len(found.directions) > 1:
        raise ConfigError(f"{study}: has {len(found.directions)} objectives; expected one")
    parameters = list(dict.fromkeys(key for trial in trials for key in trial.params))
    keys = _keys(maps, parameters, f"{study}: parameter")
    complete = [trial for trial in trials if trial.state is optuna.trial.TrialState.COMPLETE]
    rows = [({key: trial.params.get(key, "") for key in keys}, trial.value) for trial in complete]
    others = Counter(trial.state.name.lower() for trial in trials if trial not in complete)
    return _imported(
        name,
        f"Optuna study {study}",
        "value",
        keys,
        rows,
        found.direction.name.lower(),
        {f"its state is {state}": count for state, count in others.items()},
    )


def _keys(maps: Mapping[str, str], known: list[str], kind: str) -> dict[str, str]:
    """What is taken from the source: its name there -> the key here."""
    mistakes = Mistakes()
    for source, key in maps.items():
        if source not in known:
            where, _, word = kind.rpartition(" ")
            mistakes.add(where.rstrip(":"), unknown(word, source, known))
        part, _, rest = key.partition(".")
        if key != TOKENS and part not in PARTS:
            mistakes.add(f"--map {source}={key}", unknown("group", part, [*PARTS, TOKENS]))
        elif "." in key and not rest:
            mistakes.add(f"--map {source}={key}", "expected GROUP or GROUP.KEY")
    keys = dict(maps) or {
        name: TOKENS if name == "tokens" else name
        for name in known
        if name in ("tokens", TOKENS) or (name.partition(".")[0] in PARTS and name != "tokens")
    }
    for key in sorted({key for key in keys.values() if list(keys.values()).count(key) > 1}):
        mistakes.add(key, "is given by " + ", ".join(n for n, k in keys.items() if k == key))
    if not keys:
        text = f"none is called like a key ({', '.join(known) or 'there are none'})"
        mistakes.add(kind, f"{text}; --map NAME=optimizer.lr says what one is")
    mistakes.raise_if_any()
    return keys


def _imported(
    name: str,
    source: str,
    metric: str,
    keys: Mapping[str, str],
    rows: Iterable[tuple[Mapping[str, Any], float | None]],
    direction: str,
    skipped: Mapping[str, int] | None = None,
) -> Imported:
    found = []
    without = Counter(skipped or {})
    for cells, value in rows:
        if value is None:
            without[f"it has no {metric}"] += 1
            continue
        values = {keys[key]: _value(cell) for key, cell in cells.items() if cell != ""}
        tokens = values.pop(TOKENS, None)
        if tokens is not None and (not isinstance(tokens, int | float) or tokens < 1):
            raise DataError(f"{source}: {TOKENS}: expected a number from 1, got {tokens!r}")
        found.append(
            Observation(
                values=values,
                value=float(value) if math.isfinite(value) else None,
                tokens=None if tokens is None else round(tokens),
            )
        )
    if not found:
        raise DataError(f"{source}: holds no observation ({dict(without) or 'it is empty'})")
    observations = Observations(
        name=name, source=source, metric=metric, direction=direction, rows=tuple(found)
    )
    return Imported(observations=observations, skipped=dict(without))


def _value(cell: Any) -> Value:
    """A cell as what it says: a number, true or false, a list, else text."""
    if not isinstance(cell, str):
        return tuple(cell) if isinstance(cell, list) else cell
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(cell)
        except ValueError:
            continue
        return number if math.isfinite(number) else cell
    if cell.startswith("["):
        try:
            return tuple(json.loads(cell))
        except ValueError:
            return cell
    return cell


def _storage(storage: str) -> Any:
    if "://" in storage:
        _refuse_missing_database(storage)
        return storage
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    if not Path(storage).is_file():
        raise ConfigError(f"{storage}: no such file; expected a journal file or a database's URL")
    return JournalStorage(JournalFileBackend(storage))


def _refuse_missing_database(uri: str) -> None:
    """SQLite would make an empty database of a wrong path."""
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    if uri.startswith(_SQLITE) and path and not Path(path).is_file():
        raise ConfigError(f"{uri}: no such file as {path}")
