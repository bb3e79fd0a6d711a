"""Small tables of results, and objectives that look them up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selector.config.objective import Objective
from selector.launch.lookup import Lookup, lookup_for

#: Two schedules, three rates, two lengths; one point is repeated, one diverged, one has no result.
ROWS = """\
schedule,lr,steps,loss
constant,0.001,100,3.2
constant,0.01,100,3.0
constant,0.01,100,3.02
constant,0.1,100,nan
linear,0.001,100,3.1
linear,0.01,100,2.8
linear,0.1,100,2.9
linear,0.001,1000,2.5
linear,0.01,1000,2.4
linear,0.1,1000,2.7
linear,0.1,10,
"""


def write(folder: Path, text: str = ROWS, name: str = "runs.csv") -> Path:
    """The table as a file."""
    path = folder / name
    path.write_text(text)
    return path


def objective(path: Path, **changes: Any) -> Objective:
    """Looks up the loss by schedule and rate; `changes` are fields."""
    fields: dict[str, Any] = {
        "name": "replayed",
        "kind": "replay",
        "metric": "loss",
        "table": str(path),
        "parameters": {"schedule": "linear", "lr": 0.01},
        "scales": {"lr": "log"},
        "horizon": "steps",
    }
    return Objective(**(fields | changes))


def lookup(path: Path, **changes: Any) -> Lookup:
    """The lookup of `objective`."""
    return lookup_for(objective(path, **changes))
