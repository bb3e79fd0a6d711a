"""docs/reliability.md names every failure and threat once, and only tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [PRS]\d", line)
]


def test_every_promise_failure_and_threat_has_its_row():
    expected = [f"{kind}{n}" for kind, last in zip("PRS", (10, 25, 13), strict=True)
                for n in range(1, last + 1)]  # fmt: skip
    assert [row[0] for row in ROWS] == expected


@pytest.mark.parametrize("row", [row for row in ROWS if len(row) == 4], ids=lambda row: row[0])
def test_what_shows_it_exists_or_a_reason_is_given(row):
    if not row[3]:
        assert row[2].startswith("no test: ")
    for name in filter(None, (text.strip() for text in row[3].split(","))):
        file, _, test = name.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *def {re.escape(test)}\(", text, re.MULTILINE), name
