from __future__ import annotations

import posixpath
import re

import pytest

from selector.track.labels import flat, labels, name, text, title
from tests.track.examples import origin, run

ODD = ["", ".", "..", "/", "//", "../../x", "a/", "a//b", "a/./b", "./x", "a/../b", "<script>"]


@pytest.mark.parametrize("given", [*ODD, "😀", "café", "x" * 600, "\udc80", "a\nb"])
def test_an_odd_name_becomes_one_that_mlflow_takes(given: str) -> None:
    made = name(given)
    assert re.fullmatch(r"[A-Za-z0-9_\-./: ]{1,250}", made)
    assert posixpath.normpath(made) == made
    assert not made.startswith((".", "/"))


@pytest.mark.parametrize("given", ["loss", "validation/loss", "optimizer.lr", "bits per byte"])
def test_an_ordinary_name_stays(given: str) -> None:
    assert name(given) == given


def test_different_names_stay_different() -> None:
    names = [*ODD, "a<", "a>", "a_", "x" * 600, "x" * 601]
    assert len({name(each) for each in names}) == len(names)


def test_text_is_cut_and_always_encodable() -> None:
    assert text("abcdef", 3) == "abc"
    assert text("a\udc80b", 10).encode() == b"a?b"


def test_settings_are_flat() -> None:
    nested = {"optimizer": {"lr": 1e-3, "betas": [0.9, 0.99]}, "name": "x", "on": True}
    assert flat(nested) == {
        "optimizer.lr": "0.001",
        "optimizer.betas": "[0.9, 0.99]",
        "name": "x",
        "on": "true",
    }


def test_a_run_says_what_it_is() -> None:
    asked, belongs = run("k"), origin("s", tags={"repeats": "r"})
    assert title(asked, belongs) == "sgd · trial 3 · explore seed 1000"
    tags = labels(asked, belongs)
    assert tags["selector.key"] == "k"
    assert tags["selector.trial"] == "3"
    assert tags["selector.repeats"] == "r"
    assert tags["selector.run_fingerprint"] == run("k").fingerprint
