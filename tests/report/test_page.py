from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from selector.report.page import _breakable
from selector.report.write import write_report
from selector.track.run import Outcome
from tests.report.build import ADAMW, MUON, SGD, Builder, Surface, finished, study

HOSTILE = (
    "</script><script>document.title='PWNED'</script>",
    "<img src=x onerror=\"document.title='PWNED'\">",
    "{{7*7}}{% raw %}",
    "javascript:document.title='PWNED'",
    "\" onload=\"document.title='PWNED'",
)
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def written(built: Builder, folder: Path) -> str:
    return write_report(built.stored(), folder).page.read_text()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(finished(ADAMW, MUON, SGD), tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    first, second, third = HOSTILE[0], HOSTILE[1], HOSTILE[2]
    surfaces = [
        Surface(name=first, cliff=0.01),
        Surface(name=second, best=2.39),
        Surface(name=third),
    ]
    asked = study(surfaces, question=" ".join(HOSTILE), notes=HOSTILE)
    built = Builder(asked, surfaces)
    built.outcome = lambda trial, stage: Outcome.CRASHED if trial.index == 0 else None
    finish = built.record.finish
    built.record.finish = lambda key, result: finish(  # type: ignore[method-assign]
        key, type(result)(**{**vars(result), "error": result.error and " ".join(HOSTILE)})
    )
    built.explore().verdict()
    built.record.decide({"decision": HOSTILE[0], "why": HOSTILE[1]})
    return write_report(built.stored(), tmp_path_factory.mktemp("hostile")).page


class Page(HTMLParser):
    """Collects what a browser would see as elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def without_scripts(text: str) -> str:
    return re.sub(r"(?s)<script.*?</script>", "", text)


def test_the_page_asks_for_nothing(text: str) -> None:
    body = Page(without_scripts(text))
    assert not [tag for tag, attrs in body.tags if {"src", "srcset"} & set(attrs)]
    links = [attrs["href"] for tag, attrs in body.tags if "href" in attrs]
    assert all(str(link).startswith("#") for link in links)
    assert "@import" not in text.partition("</style>")[0]
    assert "url(" not in text.partition("</style>")[0]


def test_the_policy_allows_exactly_the_scripts_of_the_page(text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    scripts = re.findall(r"(?s)<script>(.*?)</script>", text)
    hashes = {
        "sha256-" + base64.b64encode(hashlib.sha256(item.encode()).digest()).decode()
        for item in scripts
    }
    assert len(scripts) == 2
    content = policy[1].replace("&#39;", "'")
    assert set(re.findall(r"'(sha256-[^']+)'", content)) == hashes
    assert content.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in content.partition("style-src")[0]
    assert "unsafe-eval" not in content


def test_tables_have_captions_and_headers(text: str) -> None:
    tables = re.findall(r"(?s)<table.*?</table>", without_scripts(text))
    assert len(tables) == 4
    for table in tables:
        assert "<caption>" in table
        rows = re.findall(r"(?s)<tr.*?</tr>", table)
        widths = {len(re.findall(r"<t[hd][ >]", row)) for row in rows}
        assert len(widths) == 1
        assert 'scope="col"' in table
        assert 'scope="row"' in table


def test_every_figure_has_its_place_and_every_button_its_text(text: str) -> None:
    content = re.search(r'(?s)<script type="application/json" id="figures">(.*?)</script>', text)
    assert content
    ids = [attrs.get("id") for _, attrs in Page(without_scripts(text)).tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert set(json.loads(content[1])) == {name for name in ids if str(name).startswith("figure-")}
    copied = [
        attrs["data-copy"] for _, attrs in Page(without_scripts(text)).tags if "data-copy" in attrs
    ]
    assert copied
    assert set(copied) <= set(ids)


def test_sections_without_data_are_left_out(tmp_path: Path) -> None:
    text = written(Builder(study([ADAMW]), [ADAMW]), tmp_path)
    assert len(text) < 50_000
    for section in ("recommended", "curves", "effort", "settings", "failures", "health"):
        assert f'<section id="{section}"' not in text
    assert "No answer yet" in text
    assert "Unfinished (0 of 40 runs are over" in text


def test_the_sentence_is_the_first_thing_on_the_page(tmp_path: Path) -> None:
    stored = finished(ADAMW, MUON).stored()
    paths = write_report(stored, tmp_path)
    text = paths.page.read_text()
    shown = re.search(r'(?s)<p class="sentence">(.*?)</p>', text)
    assert shown
    assert shown[1].replace("&#39;", "'") == paths.sentence
    arm = next(arm for arm in paths.recommendation["arms"] if arm["name"] == "muon")
    assert f"{arm['mean']:.3f}" in text.partition('id="certainty"')[0]


def test_hostile_names_are_text(hostile: Path) -> None:
    text = hostile.read_text()
    body = without_scripts(text)
    assert "<img" not in body
    assert "PWNED" in body
    assert "49" not in re.findall(r"(?s)<h1>(.*?)</h1>", text)[0]
    assert "{{7*7}}" in body
    for tag, attrs in Page(body).tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        assert tag not in ("img", "iframe", "object", "embed", "form", "base")
    scripts = re.findall(r"<script[^>]*>", text)
    assert scripts == ['<script type="application/json" id="figures">', "<script>", "<script>"]
    content = text.partition('id="figures">')[2].partition("</script>")[0]
    assert "<" not in content


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")
def test_a_browser_runs_no_name_and_draws_every_figure(hostile: Path, tmp_path: Path) -> None:
    assert CHROMIUM
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000",
        "--enable-logging=stderr", "--dump-dom", hostile.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    title = re.search(r"(?s)<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-2000:]
    assert "PWNED" not in title[1]
    body = without_scripts(done.stdout)
    assert "<img" not in body
    places = re.findall(r'id="(figure-[^"]+)"', body)
    assert len(places) >= 4
    assert body.count("main-svg") >= len(places)
    assert "Content Security Policy" not in done.stderr
    assert "Uncaught" not in done.stderr


def test_long_names_may_be_broken_and_stay_escaped() -> None:
    assert _breakable("muon") == "muon"
    name = "activation_checkpointing=false"
    assert _breakable(name) == "activation_<wbr>checkpointing=<wbr>false"
    assert "<img" not in _breakable(HOSTILE[1])
    assert _breakable(HOSTILE[1]).count("<wbr>") == HOSTILE[1].count("=")
