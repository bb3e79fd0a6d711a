"""The settings of axes that are records of switches: defaults, what is allowed, what they mean.

An option of such an axis is a preset, and every switch in it can be compared, tuned and fixed. What
they mean is read from the source of the dataclass, where each is documented and nowhere else.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from selector.config import limits
from selector.config.batch import Batch
from selector.config.compose import load_yaml
from selector.config.compute import DEVICES, Compute
from selector.config.decode import Mistakes, dataclass_from
from selector.config.locations import conf_folder
from selector.config.model import Model
from selector.config.regularization import Regularization

#: Axis -> (the dataclass of its settings, the option whose values are shown).
_RECORDS: Mapping[str, tuple[type[Any], str]] = {
    "model": (Model, "pico"),
    "batch": (Batch, "default"),
    "regularization": (Regularization, "default"),
    "compute": (Compute, "default"),
}
_LABELS = ("name", "version", "family")
#: Texts of which the dataclass allows some.
_TEXTS = {"device": DEVICES}


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One setting of an axis."""

    default: bool | int | float | str
    allowed: str
    """Words or limits: layer | rms | none, or from 0 to below 1."""
    text: str
    """What it means, in a sentence."""


def switches(axis: str) -> dict[str, Switch]:
    """Setting -> what it is; empty for an axis whose options have settings of their own."""
    if axis not in _RECORDS:
        return {}
    kind, option = _RECORDS[axis]
    given = load_yaml(conf_folder() / axis / f"{option}.yaml")
    given.pop("space", None)
    mistakes = Mistakes()
    preset = dataclass_from(kind, given, axis, mistakes)
    mistakes.raise_if_any()
    hints, texts = get_type_hints(kind), _docstrings(kind)
    return {
        item.name: Switch(
            default=getattr(preset, item.name),
            allowed=_TEXTS.get(item.name) or _allowed(hints[item.name], item.name, preset),
            text=re.split(r"(?<=\.)\s", texts[item.name].replace("`", ""), maxsplit=1)[0],
        )
        for item in fields(kind)
        if item.name not in _LABELS
    }


def default_option(axis: str) -> str:
    """The option whose values `switches` gives as defaults."""
    return _RECORDS[axis][1]


def _docstrings(kind: type[Any]) -> dict[str, str]:
    """Field -> the text below it, on one line."""
    (record,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(record, ast.ClassDef)
    found = {}
    for field, below in zip(record.body, record.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(below, ast.Expr)
            assert isinstance(below.value, ast.Constant)
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _allowed(hint: Any, name: str, preset: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        words_first = sorted(get_args(hint), key=lambda item: item in (int, float))
        return " | ".join(_allowed(item, name, preset) for item in words_first)
    if get_origin(hint) is Literal:
        return " | ".join(word for word in get_args(hint) if not _refused(preset, name, word))
    if hint is bool:
        return "true | false"
    whole = "whole, " if hint is int else ""
    return whole + limits.allowed(name).partition("number ")[2]


def _refused(preset: Any, name: str, word: str) -> bool:
    """Whether the dataclass has a reason of its own against the word, such as norm=batch."""
    try:
        replace(preset, **{name: word})
    except ValueError as error:
        return str(error).startswith(f"{name}: {word} is refused")
    return False
