"""Libraries that only some techniques need: `pip install 'selector[optimizers]'` brings them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from selector.errors import ConfigError

#: Package -> the extra of selector that brings it.
EXTRA_OF: Mapping[str, str] = {"pytorch_optimizer": "optimizers", "schedulefree": "optimizers"}
#: (axis, option) -> the package it needs.
PACKAGES: Mapping[tuple[str, str], str] = {
    ("optimizer", "soap"): "pytorch_optimizer",
    ("optimizer", "shampoo"): "pytorch_optimizer",
    ("optimizer", "schedule_free_adamw"): "schedulefree",
    ("optimizer", "schedule_free_sgd"): "schedulefree",
    ("optimizer", "prodigy"): "pytorch_optimizer",
    ("optimizer", "ademamix"): "pytorch_optimizer",
    ("optimizer", "mars"): "pytorch_optimizer",
    ("optimizer", "sophia"): "pytorch_optimizer",
    ("optimizer", "lamb"): "pytorch_optimizer",
    ("optimizer", "library"): "pytorch_optimizer",
}


def installed(package: str) -> bool:
    """Whether `package` could be imported; it is not."""
    return find_spec(package) is not None


def refuse_missing(package: str) -> None:
    """Raise ConfigError where `package` is not installed, with the command that installs it."""
    if not installed(package):
        extra = EXTRA_OF[package]
        raise ConfigError(f"{package} is not installed here: pip install 'selector[{extra}]'")
