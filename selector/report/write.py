"""Writing a report: the page, the recommendation, the configuration and the tables, each whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from selector.report.page import Tables, page
from selector.report.recommendation import recommendation, recommended_yaml
from selector.report.results import curves, results
from selector.report.words import answer_sentence
from selector.study.answer import answer
from selector.study.stored import StoredStudy, check_name
from selector.track.store import write_whole

# What a spreadsheet takes for the beginning of a formula, or strips to find one.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class ReportPaths:
    """What was written, and what it says."""

    page: Path
    recommendation_file: Path
    configuration: Path | None
    """None where nothing can be recommended yet."""
    trials: Path
    curves: Path
    recommendation: dict[str, Any]
    """The content of recommendation.json."""
    sentence: str
    """The answer in plain text."""

    @property
    def files(self) -> list[Path]:
        """Every file of the report."""
        found = [self.page, self.recommendation_file, self.configuration, self.trials, self.curves]
        return [path for path in found if path is not None]


def write_report(stored: StoredStudy, reports: Path) -> ReportPaths:
    """Write reports/STUDY from what is stored now; the same store gives the same bytes.

    Raises:
        StudyError: the folder cannot be written to.
    """
    folder = reports / check_name(stored.study.name)
    found = answer(stored.study, stored.record)
    content = recommendation(stored, found)
    tables = Tables(results=results(stored), curves=curves(stored))
    configuration = folder / "recommended.yaml"
    text = ""
    if found.recommended is not None:
        text = recommended_yaml(stored, found.recommended, configuration.as_posix())
    paths = ReportPaths(
        page=folder / "index.html",
        recommendation_file=folder / "recommendation.json",
        configuration=configuration if text else None,
        trials=folder / "trials.csv",
        curves=folder / "curves.csv",
        recommendation=content,
        sentence=answer_sentence(stored, found),
    )
    _write(paths.trials, _csv(tables.results))
    _write(paths.curves, _csv(tables.curves))
    if text:
        _write(configuration, text)
    else:
        configuration.unlink(missing_ok=True)
    html = page(stored, found, content, tables, text, configuration.as_posix())
    _write(paths.page, html)
    _write(
        paths.recommendation_file,
        json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
    )
    return paths


def _write(path: Path, text: str) -> None:
    """An error text may hold half a character, which no encoding has: it becomes a `?`."""
    write_whole(path, text.encode(errors="replace").decode())


def _csv(table: pandas.DataFrame) -> str:
    """`table` as CSV in which no text is a formula to a spreadsheet."""
    safe = table.copy()
    for name in safe.columns:
        if safe[name].dtype.kind not in "iufb":
            safe[name] = safe[name].map(_harmless)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _harmless(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return text.replace("\r\n", "\n").replace("\r", "\n")  # a bare \r ends a row to many readers
