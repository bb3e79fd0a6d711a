from __future__ import annotations

from pathlib import Path

import pytest

from selector.config.schema import Track
from selector.errors import ConfigError
from selector.track import make_tracker
from selector.track.database import default_uri, refuse_unusable


@pytest.mark.parametrize(
    "uri",
    [
        *("nonsense", " ", "./mlruns", "/tmp/mlruns", "file:///tmp/mlruns", "ftp://host", "http"),
        *("http://", "https://:5000", "http://[::1", "http://a b", "sqlite://", "sqlite:///"),
        *("sqlite:///:memory:", "sqlite+pysqlite:///:memory:", "sqlite:mlflow.db", "postgres"),
    ],
)
def test_an_address_that_keeps_nothing_is_refused_before_the_study_begins(
    uri: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"expected a server .* or a database"):
        make_tracker(Track(uri=uri), tmp_path)


@pytest.mark.parametrize(
    "uri",
    [
        *("http://localhost:5000", "https://mlflow.example.org/path", "databricks"),
        *("databricks://profile", "sqlite:///mlflow.db", "sqlite:////data/mlflow.db"),
        *("postgresql+psycopg://me@host/db", "mysql://host/db", "mssql+pyodbc://host/db"),
    ],
)
def test_an_address_that_may_keep_something_is_not(uri: str) -> None:
    refuse_unusable(uri)


def test_neither_is_the_one_in_the_runs_folder(tmp_path: Path) -> None:
    refuse_unusable(default_uri(tmp_path / "run s"))


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        refuse_unusable("ftp://me:hunter22@host")
    assert "hunter22" not in str(raised.value)
