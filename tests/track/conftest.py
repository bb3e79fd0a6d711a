from __future__ import annotations

from pathlib import Path

import pytest

from tests.track.stored import Stored


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """One MLflow store for all tests: creating it takes seconds. Each test has its own study."""
    return Stored(tmp_path_factory.mktemp("50% of runs"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a report in it."""
    (tmp_path / "index.html").write_text("<p>the report</p>")
    (tmp_path / "recommended.yaml").write_text("format: 1\n")
    return tmp_path
