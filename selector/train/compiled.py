"""Compiling a function with torch.compile, and what that needs of a machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

from selector.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R], device: torch.device) -> Callable[P, R]:
    """`function`, compiled at its first call; a part that cannot be compiled is an error.

    What was compiled for earlier runs of this process is forgotten: torch keeps a few variants of
    a function's code and then silently stops compiling it.

    Raises:
        ConfigError: this machine lacks something for it.
    """
    if lacking := missing(device):
        raise ConfigError(f"compute.compile: {lacking}")
    torch.compiler.reset()
    return torch.compile(function, fullgraph=True)


def missing(device: torch.device) -> str:
    """What torch.compile lacks here for programs on `device`, and the remedy; '': nothing."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "needs the package triton, which is not installed; pip install triton"
    kind, variable, default = _compiler(device)
    asked = os.environ.get(variable) or default
    if shutil.which(asked) is None:
        return f"needs a {kind} compiler, and {asked} is not found; install it or set {variable}"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.is_file():
        return f"needs Python's headers, and {header} is not there; install python3-dev"
    return ""


def _compiler(device: torch.device) -> tuple[str, str, str]:
    """(language, environment variable, what torch calls where it is not set)."""
    if device.type == "cuda":
        return "C", "CC", "gcc"
    return "C++", "CXX", "clang++" if sys.platform == "darwin" else "g++"
