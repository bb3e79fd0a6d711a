"""What the tests of chaos share."""

from __future__ import annotations

import pytest

from tests.chaos.points import command, tiny


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """A folder with the tiny study in it, to which nothing happened: tests break copies of it."""
    folder = tiny(tmp_path_factory.mktemp("plain") / "study")
    code, output = command(folder)
    assert code == 0, output
    return folder
