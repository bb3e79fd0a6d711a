"""A study against a table, asked as a person would: a study file, its objective, a CSV file."""

from __future__ import annotations

from pathlib import Path

from selector.study.conduct import read_study
from selector.study.study import Study

STUDY = """\
defaults:
  - selector_study
  - override objective: rates
  - override launcher: inline
  - override tracker: none
  - override sampler: tpe
  - override budget: small
  - _self_
name: replayed
question: Which schedule is best?
compare:
  objective.parameters.schedule: [constant, linear]
"""
OBJECTIVE = """\
defaults: [replay, _self_]
name: rates
metric: loss
horizon: steps
parameters: {schedule: linear, lr: 0.01}
space:
  parameters.lr: {low: 1.0e-3, high: 1.0e-1, log: true}
"""


def write_study(folder: Path, *, study: str = STUDY, objective: str = OBJECTIVE) -> Path:
    """The study's file, with its objective beside it."""
    (folder / "objective").mkdir(exist_ok=True)
    (folder / "objective" / "rates.yaml").write_text(objective)
    path = folder / "replayed.yaml"
    path.write_text(study)
    return path


def read(folder: Path, table: Path, *overrides: str, **texts: str) -> Study:
    """The study, read from `folder`, its table checked."""
    file = write_study(folder, **texts)
    given = [f"objective.table={table}", *overrides]
    if not any(text.startswith("budget.tokens") for text in overrides):
        given.append("budget.tokens=100")
    return read_study(str(file), given, folder / "runs")
