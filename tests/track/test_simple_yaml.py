"""The fast reader says what the YAML library says, or nothing."""

from __future__ import annotations

import random

import pytest
import yaml

from selector.config.decode import run_config
from selector.config.identity import plain
from selector.track.record import to_yaml
from selector.track.seal import sealed
from selector.track.simple_yaml import simple
from tests.track.examples import config as a_config

WORDS = [
    "word", "a b", "on", "No", "null", "~", "1", "0x1", "010", "1e5", "1_0", "2026-01-01", "a:b",
    "a: b", "a:", "#", "a#b", "-", "- a", "'", "''", '"', "", " ", "é", ".inf", "=", "<<", "{}",
    "[]", "x\ny", "x\n", "y" * 90, "b " * 60, "&a", "*a", "!a", "%", "1:30", ".5", "true", "None",
]  # fmt: skip
SCALARS = [*WORDS, 0, -1, 10**20, 0.5, -1e-8, 1e22, 1e300, 5e-324, 2.0, True, False, None]


PLAIN = ["word", "b.c", "a/b:c", 3, -1.5, 1e-8, True, None, "", 7, 2.0]


def a_key(draw):
    return draw.choice(WORDS) if draw.random() < 0.1 else draw.choice(["a", "b", "c_1", "d.e"])


def a_value(draw, depth=0):
    kind = draw.random()
    if depth < 3 and kind < 0.2:
        return {a_key(draw): a_value(draw, depth + 1) for _ in range(draw.randrange(4))}
    if depth < 3 and kind < 0.35:
        return [a_value(draw, depth + 1) for _ in range(draw.randrange(3))]
    return draw.choice(SCALARS if draw.random() < 0.15 else PLAIN)


def same(one, other):
    return repr(one) == repr(other)  # 1, 1.0 and True are told apart


def test_it_never_contradicts_the_library():
    draw, told = random.Random(5), 0
    for _ in range(1500):
        text = to_yaml({a_key(draw): a_value(draw) for _ in range(draw.randrange(1, 4))})
        found = simple(text)
        told += found is not None
        assert found is None or same(found, yaml.safe_load(text)), text
    assert told > 150


def test_nor_in_a_file_that_was_damaged_or_written_by_hand():
    text = to_yaml({"a": {"b": 1, "c": [1, 2.5], "d": "w"}, "e": "f", "g": {}})
    draw = random.Random(6)
    for _ in range(3000):
        place = draw.randrange(len(text))
        changed = text[:place] + draw.choice("\n :-'#a1.{[ ") + text[place + draw.randrange(3) :]
        found = simple(changed)
        if found is not None:
            try:
                known = yaml.safe_load(changed)
            except yaml.YAMLError:
                pytest.fail(f"the library refuses {changed!r}")
            assert same(found, known), changed


def test_a_stored_trial_is_simple_and_equal_parts_are_decoded_once():
    config = plain(a_config())
    text = sealed("trial.yaml", to_yaml({"format": 1, "config": config}))
    assert same(simple(text), yaml.safe_load(text))
    one, other = run_config(simple(text)["config"]), run_config(simple(text)["config"])
    assert one == other == a_config()
    assert one.model is other.model
    assert one.optimizer is other.optimizer
    assert one.objective is not other.objective
