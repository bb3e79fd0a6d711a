"""docs/training_troubles.md: what it recommends is accepted, and it knows every check."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from selector.report.health import CHECKS
from tests.report.health.planted import assert_accepted

TEXT = (Path(__file__).parents[3] / "docs/training_troubles.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
NAMED = dict.fromkeys(name for row in ROWS for name in row[-2].split(", "))
OVERRIDES = dict.fromkeys(
    text for row in ROWS for text in re.findall(r"`([a-z_.]+=[^`\s]+)`", row[-1])
)


@pytest.mark.parametrize("override", OVERRIDES)
def test_every_override_is_accepted(override: str) -> None:
    mine = override.startswith("objective.")  # of a function, which reports what it likes
    arms = ("adamw", "muon")
    assert_accepted(f"selector run optimizers '{override}' name=optimizers_2", arms, not mine)


def test_every_check_has_its_row() -> None:
    found = {
        name
        for check in CHECKS
        for name in re.findall(r'check="([^"]+)"', inspect.getsource(check))
    }
    assert found == set(NAMED) - {"check"}
