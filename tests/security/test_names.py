"""Names, values and texts are data (S1-S3, P9): not executed, not outside the folders."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selector
from selector.errors import ConfigError
from selector.report.write import ReportPaths
from selector.study.stored import check_name, open_study
from selector.track.labels import name
from tests.report.test_page import Page, without_scripts
from tests.security.conftest import ARMS, HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
Hostile = tuple[Path, ReportPaths]


def test_nothing_is_written_outside_the_folders(hostile: Hostile) -> None:
    folder, _ = hostile
    outer = folder.parent.parent
    assert [path.name for path in outer.iterdir()] == ["middle"]
    assert [path.name for path in folder.parent.iterdir()] == ["work"]
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert names == {"hostile_mine.py", "objective", "reports", "runs", "study.yaml"}
    inside = [path.relative_to(folder).as_posix() for path in (folder / "runs").rglob("*")]
    parts = {part for path in inside for part in path.split("/")}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", part) for part in parts)


def test_what_is_stored_comes_back_as_it_was(hostile: Hostile) -> None:
    folder, _ = hostile
    stored = open_study("hostile", folder / "runs")
    kinds = [arm.config.objective.parameters["kind"] for arm in stored.study.arms]
    assert kinds == list(HOSTILE[:ARMS])
    reported = {
        name for item in stored.record.runs() for row in stored.record.curve(item.run.key)
        for name in row
    }  # fmt: skip
    assert set(HOSTILE) <= reported
    errors = [item.result.error for item in stored.record.runs() if item.result]
    assert sum("PWNED" in error for error in errors) == 2


def test_the_page_shows_them_as_text(hostile: Hostile) -> None:
    html = hostile[1].page.read_text()
    body = without_scripts(html)
    assert "PWNED" in body
    assert "{{7*7}}" in body
    for tag, attributes in Page(body).tags:
        assert tag not in ("img", "iframe", "object", "embed", "form", "base", "link"), tag
        assert not [key for key in attributes if key.startswith("on")], tag
        for key in ("href", "src", "action"):
            assert str(attributes.get(key) or "#").startswith("#"), tag
    scripts = re.findall(r"<script[^>]*>", html)
    assert scripts == ['<script type="application/json" id="figures">', "<script>", "<script>"]
    title = re.search(r"(?s)<title>(.*?)</title>", html)
    assert title
    assert "<" not in title[1]
    assert "default-src 'none'" in html.replace("&#39;", "'")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")
def test_a_browser_runs_nothing_and_asks_for_nothing(hostile: Hostile, tmp_path: Path) -> None:
    assert CHROMIUM
    log = tmp_path / "net.json"
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000",
        f"--log-net-log={log}", "--enable-logging=stderr", "--dump-dom",
        hostile[1].page.absolute().as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    title = re.search(r"(?s)<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-2000:]
    assert "PWNED" not in title[1]
    assert "<img" not in without_scripts(done.stdout)
    assert "127.0.0.1:9" not in (log.read_text(errors="replace") if log.exists() else "")
    assert "Uncaught" not in done.stderr
    assert "Content Security Policy" not in done.stderr  # nothing even tried


def test_no_cell_and_no_column_is_a_formula(hostile: Hostile) -> None:
    for path in (hostile[1].trials, hostile[1].curves):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len(rows) > 10
        assert len({len(row) for row in rows}) == 1
        cells = {cell for row in rows for cell in row}
        numbers = {cell for cell in cells if re.fullmatch(r"-?[0-9.e+-]+|-?inf|nan", cell)}
        assert not [cell for cell in cells - numbers if cell.startswith(tuple("=+-@\t\r"))]
        assert any("HYPERLINK" in cell for cell in cells)


def test_files_for_programs_can_be_read_again(hostile: Hostile) -> None:
    paths = hostile[1]
    content = json.loads(paths.recommendation_file.read_text())
    assert content["question"] == " ".join(HOSTILE)
    assert paths.configuration is not None
    from selector.config.compose import load_yaml
    from selector.config.single import compose_single

    again = compose_single(load_yaml(paths.configuration), [], "recommended.yaml")
    assert again.config.objective.parameters["kind"] in HOSTILE


def test_the_report_of_the_same_store_is_the_same_bytes(hostile: Hostile) -> None:
    before = {path.name: path.read_bytes() for path in hostile[1].files}
    again = selector.report("hostile")
    assert {path.name: path.read_bytes() for path in again.files} == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_writes_the_same_bytes(hostile: Hostile, seed: str) -> None:
    """Where sets and hashes have another order."""
    folder, paths = hostile
    before = {path.name: path.read_bytes() for path in map(folder.joinpath, paths.files)}
    command = [sys.executable, "-m", "selector.cli", "report", "hostile"]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in map(folder.joinpath, paths.files)} == before


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_name_inside_the_folder_or_refused(given_: str) -> None:
    try:
        found = check_name(given_)
    except ConfigError:
        return
    root = Path("/runs")
    assert (root / found).resolve().parent == root
    assert found == given_


@pytest.mark.parametrize(
    "given_",
    [
        "", ".", "..", "../x", "/etc", "a/b", "a\0b", "a\n", "x" * 65, "-rf", "_single",
        "artifacts",
        "mlflow.db", "mlflow.db-journal", "a..b", "é", "\u202egnp", "a b", "~", "$(x)",
    ],
)  # fmt: skip
def test_hostile_names_of_studies_are_refused(given_: str) -> None:
    with pytest.raises(ConfigError, match="name: expected letters, digits"):
        check_name(given_)


@given(st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_name_that_mlflow_takes(given_: str) -> None:
    found = name(given_)
    assert re.fullmatch(r"[A-Za-z0-9_\-./: ]{1,250}", found)
    assert not found.startswith((".", "/"))
    assert ".." not in found.split("/")
