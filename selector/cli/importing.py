"""`selector import`: earlier experiments, stored as a start for later studies."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from selector.errors import ConfigError


def import_(asked: argparse.Namespace) -> int:
    """Store earlier results under runs/NAME, for `selector run STUDY --from NAME`.

    SOURCE is a CSV file; with --experiment the URI of an MLflow store; with --optuna-study an
    Optuna storage: a database's URL or a journal file.
    """
    from selector.study.history import write_observations
    from selector.study.imports import from_csv, from_mlflow, from_optuna
    from selector.study.stored import check_name

    name, maps = check_name(asked.name), _maps(asked.map)
    if asked.experiment and asked.optuna_study:
        raise ConfigError("--experiment, --optuna-study: expected one of them")
    if asked.optuna_study:
        if asked.metric:
            raise ConfigError("--metric: has no effect: an Optuna study has one value a trial")
        done = from_optuna(name, asked.source, asked.optuna_study, maps)
    elif not asked.metric:
        raise ConfigError("--metric: expected the name of the column or metric that judges runs")
    elif asked.experiment:
        done = from_mlflow(name, asked.source, asked.experiment, asked.metric, maps)
    else:
        done = from_csv(name, Path(asked.source), asked.metric, maps)
    file = write_observations(done.observations, asked.runs)
    rows = done.observations.rows
    keys = sorted({key for row in rows for key in row.values})
    if asked.json:
        mapping = {
            "name": name,
            "source": done.observations.source,
            "metric": done.observations.metric,
            "observations": len(rows),
            "diverged": sum(row.value is None for row in rows),
            "skipped": dict(done.skipped),
            "keys": keys,
            "file": str(file),
        }
        print(json.dumps(mapping, indent=1))
        return 0
    print(f"{len(rows)} observations of {', '.join(keys)} from {done.observations.source}: {file}")
    for reason, count in done.skipped.items():
        print(f"note: {count} left out: {reason}")
    print(f"\nselector run STUDY --from {name}")
    return 0


def describe(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("name", metavar="NAME", help="of the folder runs/NAME")
    parser.add_argument("source", metavar="SOURCE", help="a file, or the address of a store")
    parser.add_argument("--metric", metavar="COLUMN", help="what judges runs")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN=KEY",
        help="what a column says: lr=optimizer.lr, opt=optimizer, seen=budget.tokens; repeatable",
    )
    parser.add_argument("--experiment", metavar="NAME", help="SOURCE is an MLflow store")
    parser.add_argument("--optuna-study", metavar="NAME", help="SOURCE is an Optuna storage")


def _maps(given: list[str]) -> dict[str, str]:
    """Column -> key; a column's name may hold an equals sign, a key does not."""
    mistakes, found = [], {}
    for text in given:
        column, _, key = text.rpartition("=")
        if not column or not key:
            mistakes.append(f"--map {text}: expected COLUMN=KEY, such as lr=optimizer.lr")
        elif column in found:
            mistakes.append(f"--map {text}: {column} is given more than once")
        found[column] = key
    if mistakes:
        raise ConfigError(mistakes)
    return found
