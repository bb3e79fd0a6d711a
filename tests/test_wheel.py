"""A wheel works outside the checkout: conf/, studies/ and the report's page ship in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_wheel_works_outside_the_checkout(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, timeout=120)

    def selector(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "selector.cli", *arguments],
            cwd=empty,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import selector; print(selector.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", where],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(str(site))
    assert "quickstart" in json.loads(selector("list", "--json"))["studies"]
    assert json.loads(selector("plan", "quickstart", "budget=smoke", "--json"))["runs"] == 6
    selector("run", "quickstart", "budget=smoke", "tracker=none", "name=wheel")
    page = empty / "reports" / "wheel" / "index.html"
    assert "Which optimizer trains a very small GPT best" in page.read_text()
    selector("rerun", "wheel")
