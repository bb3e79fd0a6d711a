"""Libraries that only some techniques need: `pip install 'selector[optimizers]'` brings them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from selector.config.technique import Technique
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


def remedy(package: str) -> str:
    """The command that installs `package`, by selector's extra where one brings it."""
    extra = EXTRA_OF.get(package)
    return f"pip install 'selector[{extra}]'" if extra else f"pip install {package}"


def missing(optimizer: Technique) -> str:
    """Which package the optimizer needs and how to get it; '' where it is installed, or none."""
    wanted = str(optimizer.values.get("algorithm", optimizer.name))
    return _missing(PACKAGES.get(("optimizer", optimizer.name), ""), wanted)


def refuse_missing(package: str, optimizer: str) -> None:
    """Raise ConfigError where `package`, which `optimizer` needs, is not installed."""
    if text := _missing(package, optimizer):
        raise ConfigError(text)


def _missing(package: str, optimizer: str) -> str:
    if not package or installed(package):
        return ""
    return f"optimizer {optimizer} needs {package}, which is not installed here: {remedy(package)}"
