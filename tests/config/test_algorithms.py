"""An algorithm by name: mistakes are found and settings completed while a study is planned."""

from __future__ import annotations

import subprocess
import sys

import pytest

from selector.config import algorithms
from selector.config.identity import config_fingerprint
from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.config.technique import Technique
from selector.errors import ConfigError
from selector.study.arms import resolve


def compose(*overrides: str):
    given = ["optimizer=library", *(f"optimizer.{text}" for text in overrides)]
    return compose_study(study_file("quickstart"), given)


def refused(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(compose(*overrides))
    return str(caught.value)


def test_every_setting_is_filled_in_and_part_of_the_fingerprint():
    (arm,) = compose("algorithm=adan", "settings.max_grad_norm=1").arms
    assert arm.config.optimizer["settings"] == {
        "betas": (0.98, 0.92, 0.99),
        "weight_decouple": False,
        "max_grad_norm": 1,
        "eps": 1e-8,
    }
    (other,) = compose("algorithm=adan").arms
    assert config_fingerprint(arm.config) != config_fingerprint(other.config)
    same = compose("algorithm=adan", "settings={max_grad_norm: 1.0}").arms[0]
    assert config_fingerprint(arm.config) == config_fingerprint(same.config)


def test_settings_are_compared_and_tuned_like_other_keys():
    given = ("algorithm=adan,came", "settings.weight_decouple=true", "settings.eps=1e-7")
    with pytest.raises(ConfigError, match="unknown setting of came 'eps'"):
        compose(*given)
    study = resolve(compose("algorithm=ademamix", "settings.alpha=interval(1,10)"))
    assert "optimizer.settings.alpha" in study.arms[0].space.dimensions


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["algorithm=adn"], "did you mean 'adan'"),
        (["algorithm=Came"], "unknown algorithm 'Came'; did you mean 'came'"),
        (["algorithm=Came"], "`selector list optimizer` names all 1"),
        (["algorithm=zzz"], "unknown algorithm 'zzz'; `selector list optimizer` names all 1"),
        (["algorithm=lomo"], "lomo cannot train here: it works inside the backward pass"),
        (["algorithm=sam"], "sam cannot train here: it wraps another optimizer"),
        (["algorithm=adan", "settings.beta=1"], "known: betas, eps, max_grad_norm"),
        (["algorithm=adan", "settings.beta=1"], "did you mean 'betas'"),
        (["algorithm=adan", "settings.betas=1"], "optimizer.settings.betas: expected a list"),
        (["algorithm=adan", "settings.eps=small"], "optimizer.settings.eps: expected a number"),
        (["algorithm=adan", "settings.weight_decouple=1"], "expected true or false, got 1"),
        (["algorithm=adan", "settings.lr=1"], "is given beside the settings, as lr"),
        (["algorithm=adan", "settings=3"], "expected a mapping of adan's own settings"),
        (["algorithm=prodigy"], "optimizer.lr: prodigy finds its own rate"),
        (["algorithm=nero", "weight_decay=0.1"], "weight_decay: has no effect in nero"),
        (["algorithm=lbfgs", "weight_decay=0.1"], "has no effect in lbfgs"),
    ],
)
def test_a_mistake_says_what_is_allowed(overrides, words):
    assert words in refused(*overrides)


def test_all_mistakes_come_at_once():
    text = refused("algorithm=adan", "settings.beta=1", "settings.eps=x", "lr=-1")
    for key in ("lr", "settings.beta", "settings.eps"):
        assert f"optimizer.{key}:" in text


def test_library_defaults_that_would_ignore_the_rate_are_replaced():
    def settings(name: str):
        return Technique(name="library", values={"algorithm": name, "lr": 1.0})["settings"]

    assert settings("adafactor")["relative_step"] is False
    assert settings("ranger21")["disable_lr_scheduler"] is True
    assert "num_iterations" not in settings("ranger21")


@pytest.mark.parametrize(
    ("option", "values", "words"),
    [
        ("soap", {}, ""),
        ("adamw", {}, ""),
        ("shampoo", {}, "the state of scalableshampoo cannot be kept"),
        ("ademamix", {"alpha_warmup": 1.0}, "warms up over the length of the run"),
        ("ademamix", {"alpha_warmup": 0.0}, ""),
        ("library", {"algorithm": "spam"}, "the state of spam cannot be kept"),
        ("library", {"algorithm": "ranger21"}, "num_iterations"),
    ],
)
def test_why_longer_runs_cannot_start_from_shorter_ones(option, values, words):
    found = algorithms.branch_mistake(option, values)
    assert words in found
    assert bool(found) is bool(words)


def test_planning_imports_neither_torch_nor_the_library():
    code = (
        "import sys; from selector.cli import main;"
        "main(['plan', 'quickstart', 'optimizer=library', '--json']);"
        "print({'torch', 'pytorch_optimizer', 'schedulefree'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip().endswith("set()")
