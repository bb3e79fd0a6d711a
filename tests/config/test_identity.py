"""Identity is content: what changes a fingerprint, what does not, and what has no stable form."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from selector.config.decode import run_config
from selector.config.identity import (
    config_fingerprint,
    digest,
    fuse_key,
    plain,
    run_fingerprint,
)
from selector.config.technique import Technique
from selector.errors import ConfigError
from tests.report.build import config


def changed(part: str, **values):
    base = config()
    return replace(base, **{part: replace(getattr(base, part), **values)})


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("model", {"depth": 3}),
        ("model", {"qk_norm": True}),
        ("model", {"version": 2}),
        ("optimizer", {"name": "lion"}),
        ("optimizer", {"version": 2}),
        ("optimizer", {"values": {"lr": 0.004, "betas": (0.9, 0.95)}}),
        ("schedule", {"values": {"warmup": 0.1}}),
        ("batch", {"context": 64}),
        ("regularization", {"dropout": 0.1}),
        ("data", {"fingerprint": "000000000000"}),
        ("objective", {"evaluation_tokens": 5}),
    ],
)
def test_what_changes_the_result_changes_the_fingerprint(part, values):
    assert config_fingerprint(changed(part, **values)) != config_fingerprint(config())


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("model", {"name": "mine"}),
        ("batch", {"name": "mine"}),
        ("compute", {"device": "cuda"}),
        ("data", {"name": "mine"}),
        ("objective", {"metric": "validation/bits_per_byte", "evaluations": 3}),
        ("optimizer", {"banked": False}),
    ],
)
def test_labels_and_places_do_not(part, values):
    assert config_fingerprint(changed(part, **values)) == config_fingerprint(config())


def test_a_run_is_its_seed_stage_and_length_too():
    base = {"seed": 1, "stage": "explore", "tokens": 100}
    names = {
        run_fingerprint(config(), **{**base, **change})
        for change in ({}, {"seed": 2}, {"stage": "verdict"}, {"tokens": 101})
    }
    assert len(names) == 4


def test_values_differ_inside_a_bank_and_shapes_do_not():
    key = fuse_key(config())
    values = {"lr": 0.1, "betas": (0.8, 0.9)}
    assert fuse_key(changed("optimizer", values=values)) == key
    assert fuse_key(changed("regularization", grad_clip=0.5)) == key
    dropping = fuse_key(changed("regularization", dropout=0.1))
    assert dropping != key
    assert fuse_key(changed("regularization", dropout=0.2)) == dropping
    for part, change in (
        ("model", {"width": 128}),
        ("batch", {"context": 64}),
        ("optimizer", {"name": "lion"}),
        ("data", {"fingerprint": "000000000000"}),
    ):
        assert fuse_key(changed(part, **change)) != key


def test_fingerprints_agree_between_processes():
    code = (
        "from tests.report.build import config\n"
        "from selector.config.identity import config_fingerprint\n"
        "print(config_fingerprint(config()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == config_fingerprint(config())


def test_whole_floats_are_integers_and_the_rest_keeps_its_digits():
    assert digest({"a": 2e6}) == digest({"a": 2_000_000})
    assert digest({"a": 0.1}) != digest({"a": 0.1 + 1e-16 * 2})


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"bytes"])
def test_what_has_no_stable_form_is_refused(value):
    with pytest.raises(TypeError, match="no stable form"):
        digest({"a": value})


def test_a_configuration_survives_its_plain_form():
    assert run_config(plain(config())) == config()


def test_all_mistakes_of_a_mapping_are_collected():
    mapping = plain(config())
    mapping["model"] |= {"depth": "two", "colour": "red"}
    mapping["batch"]["context"] = 0
    del mapping["schedule"]
    with pytest.raises(ConfigError) as caught:
        run_config(mapping)
    assert caught.value.mistakes == (
        "model.colour: unknown key 'colour'; known: name, version, family, depth, width, heads,"
        " head_size, kv_heads, mlp_ratio, activation, experts, experts_per_token,"
        " expert_capacity, balance_loss, norm, norm_place, position, bias, tied_embeddings,"
        " qk_norm, logit_softcap, parallel_block, initialization, init_std, residual_init,"
        " parametrization, base_width",
        "model.depth: expected int, got 'two'",
        "schedule: missing",
        "batch.context: expected a finite number from 1, got 0",
    )


def test_techniques_are_frozen():
    technique = Technique(name="x", values={"lr": 0.1})
    with pytest.raises(TypeError):
        technique.values["lr"] = 1.0  # type: ignore[index]
