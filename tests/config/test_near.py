"""What may have been meant."""

from __future__ import annotations

import pytest

from selector.config.near import near


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sopa", ["soap"]),
        ("Soap", ["soap"]),
        ("soapp", ["soap"]),
        ("zzz", []),
        ("SOPHIA", ["sophia"]),
    ],
)
def test_swapped_letters_come_before_what_looks_alike(given, meant):
    assert near(given, ["sophia", "soap", "lion"]) == meant


def test_the_likeliest_comes_first():
    assert near("came", ["scion", "adam", "came", "camel"], most=2) == ["came", "camel"]
