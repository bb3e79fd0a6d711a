"""The tidy tables behind every figure: one row a run, and one row a reported step.

Columns of `results`:

    study, arm, trial, sub_search, index, stage, seed, tokens, fingerprint, run_fingerprint
    outcome         how the run ended; `unfinished` where it has no result yet
    value           last value of the study's metric; missing where the run did not complete
    seconds, steps  of training and evaluating; missing where the run is unfinished
    optimizer.lr …  a column for each tuned key, under its dotted name
    metrics.NAME …  a column for each metric's last value
    given           `hand` where a person gave the trial's values, else empty
    error           for people; empty where nothing went wrong
    taken_over      the study that made the run; empty: this one

`results(…).attrs["incomparable"]` says of which of these metrics the values of unlike runs cannot
be compared: name -> why. What each of them means: docs/metrics.md.

Columns of `curves`: arm, trial, sub_search, stage, seed, step, tokens, and metrics.NAME. `tokens`
is missing where a function of the user's trains: its steps have no known size.

Runs of `rerun` belong to no trial: trial, sub_search and index are missing and arm is empty.
"""

from __future__ import annotations

from typing import Any

import pandas

from selector.study.comparable import marks
from selector.study.stored import StoredStudy
from selector.track.record import StoredRun
from selector.track.run import TAKEN_OVER

Table = pandas.DataFrame
UNFINISHED = "unfinished"
METRIC = "metrics."
_INTEGERS = ("trial", "sub_search", "index", "seed", "tokens", "steps", "step")
_TEXT = (
    "study",
    "arm",
    "stage",
    "fingerprint",
    "run_fingerprint",
    "outcome",
    "given",
    "error",
    "taken_over",
)


def results(stored: StoredStudy) -> pandas.DataFrame:
    """One row a run, in order of trial and of asking; the columns are described above."""
    runs = list(stored.record.runs())
    rows = [_row(stored.study.name, item) for item in runs]
    names = [
        *("study", "arm", "trial", "sub_search", "index", "stage", "seed", "tokens"),
        *("fingerprint", "run_fingerprint", "outcome", "value", "seconds", "steps"),
    ]
    tuned = dict.fromkeys(key for arm in stored.study.arms for key in arm.space.dimensions)
    metrics = dict.fromkeys(
        METRIC + name for item in runs if item.result for name in item.result.metrics
    )
    columns = [*names, *tuned, *sorted(metrics), "given", "error"]
    table = _typed(pandas.DataFrame(rows, columns=columns))
    table.attrs["incomparable"] = marks(stored.study)
    return table


def curves(stored: StoredStudy) -> pandas.DataFrame:
    """One row for each step at which a run reported; the columns are described above."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("arm", "trial", "sub_search", "stage", "seed", "step", "tokens")
    }
    length = 0
    for item in stored.record.runs():
        trial, config = item.trial, item.run.config
        place = {
            "arm": trial.arm if trial else "",
            "trial": trial.number if trial else None,
            "sub_search": trial.sub_search if trial else None,
            "stage": item.run.stage,
            "seed": item.run.seed,
        }
        for point in stored.record.curve(item.run.key):
            step = int(point.pop("step"))
            tokens = config.tokens_read(item.run.tokens, step) if config.built_in else None
            row: dict[str, Any] = {**place, "step": step, "tokens": tokens}
            row |= {METRIC + name: value for name, value in point.items()}
            for name, value in row.items():
                column = columns.setdefault(name, [])
                column.extend([None] * (length - len(column)))
                column.append(value)
            length += 1
    for column in columns.values():
        column.extend([None] * (length - len(column)))
    return _typed(pandas.DataFrame(columns))


def _row(study: str, item: StoredRun) -> dict[str, Any]:
    trial, run, result = item.trial, item.run, item.result
    row: dict[str, Any] = {
        "study": study,
        "arm": trial.arm if trial else "",
        "stage": run.stage,
        "seed": run.seed,
        "tokens": run.tokens,
        "run_fingerprint": run.fingerprint,
        "outcome": result.outcome.value if result else UNFINISHED,
        "given": "hand" if trial and trial.given else "",
        "error": _whole_characters(result.error) if result else "",
    }
    if trial:
        row |= {"trial": trial.number, "sub_search": trial.sub_search, "index": trial.index}
        row |= {"fingerprint": _fingerprint(run.key), **trial.values}
    else:
        row["fingerprint"] = ""
    if result:
        taken = result.facts.get(TAKEN_OVER)
        row["taken_over"] = str(taken["study"]) if taken else ""
        row |= {"value": result.value, "seconds": result.seconds, "steps": result.steps}
        row |= {METRIC + name: value for name, value in result.metrics.items()}
    return row


def _whole_characters(text: str) -> str:
    """`text` without the halves of characters that undecodable file names leave in errors."""
    return text.encode(errors="replace").decode()


def _fingerprint(key: str) -> str:
    """The trial's fingerprint from its folder's name: hashing the configuration takes 0.3 ms."""
    return key.split("/")[1].partition("-")[2]


def _typed(table: pandas.DataFrame) -> pandas.DataFrame:
    """`table` with whole numbers that may be missing, floats, and text that is never missing."""
    kinds = dict.fromkeys(_INTEGERS, "Int64") | dict.fromkeys(_TEXT, "str")
    kinds |= dict.fromkeys(("value", "seconds"), "float64")
    kinds |= {str(name): "float64" for name in table if str(name).startswith(METRIC)}
    return table.astype({name: kind for name, kind in kinds.items() if name in table})
