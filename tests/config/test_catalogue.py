"""`selector list` says what sets an option apart."""

from __future__ import annotations

import json

from selector.cli import main
from selector.config import extras
from selector.config.catalogue import NOT_TUNED, TIER_2, axes
from selector.config.extras import EXTRA_OF, PACKAGES


def test_what_needs_a_library_is_of_tier_2_and_there():
    found = axes()
    for (axis, option), package in PACKAGES.items():
        item = found[axis][option]
        assert (item.tier, item.banked, item.extra) == (2, False, EXTRA_OF[package])
        assert item.installed
    for axis, options in TIER_2.items():
        assert all(found[axis][option].tier == 2 for option in options)
    assert {("optimizer", "library")} == NOT_TUNED
    assert found["optimizer"]["adamw"].marks == ""
    assert found["optimizer"]["soap"].marks == "tier 2, trains unbanked, from selector[optimizers]"
    assert "not tuned by us" in found["optimizer"]["library"].marks


def test_the_list_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    assert main(["list", "optimizer", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["axes"]["optimizer"]
    assert found["soap"]["installed"] is False
    assert found["soap"]["extra"] == "optimizers"
    assert found["adamw"] == {
        "text": found["adamw"]["text"],
        "tier": 1,
        "banked": True,
        "resumable": True,
        "tuned_by_us": True,
        "extra": "",
        "installed": True,
    }
    assert main(["list", "optimizer"]) == 0
    assert "needs pip install" in " ".join(capsys.readouterr().out.split())
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "soap*" in out
    assert "one run at a time" in out
